"""All ways of computing a random batch have the same gradient: whole, in parts, packed."""

import mlx.core as mx
import numpy as np
import pytest
from small_models import NO_DROPOUT

import mlx_finbert
from mlx_finbert.backend.interface import compiled_value_and_grad
from mlx_finbert.data.grouping import RANDOM, Grouping
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.loss import Loss, loss_of_parameters

pytestmark = pytest.mark.usefixtures("backend")


def a_loader(way, pad, rows=21, batch_size=8, accumulation=1):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 30, rows)
    ids = rng.integers(5, 30, lengths.sum()).astype(np.int32)
    tokens = Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]), np.zeros(rows, bool))
    labels = rng.integers(0, 3, rows).astype(np.int32)
    more = {"seed": 0, "multiple": 4, "accumulation": accumulation}
    return Loader(tokens, labels, batch_size, pad, 30, **more, grouping=Grouping(way))


def rows_of(batch):
    """The rows of a batch as MLX arrays, in the form that the loss takes."""
    places = len(batch.input_ids), -1
    labels, weights = batch.label_ids.reshape(places), batch.weights.reshape(places)
    return tuple(map(mx.array, (batch.input_ids, batch.attention_mask, labels, weights)))


def gradients_of(model, update):
    """The gradients of the loss, summed over the rows of an update, and its figures."""
    loss = Loss(np.array([1.0, 2.0, 0.5], np.float32), 0.1)
    function = compiled_value_and_grad(loss_of_parameters(model, loss, {}, "float32"))
    parameters, key = named_parameters(model), mx.random.key(0)
    found, sums = {}, 0
    for batch in update.batches:
        (_, figures), more = function(parameters, rows_of(batch), key, mx.array(1.0))
        found = {name: gradient + found.get(name, 0) for name, gradient in more.items()}
        sums = sums + figures
    return found, sums


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("family", NO_DROPOUT)
def test_the_ways_agree(checkpoint, family, accumulation):
    model, _ = mlx_finbert.load(checkpoint(family, **NO_DROPOUT[family]))
    ways = {
        way: list(a_loader(way, model.args.pad_token_id, accumulation=accumulation).updates())
        for way in RANDOM
    }
    assert {len(updates[0].batches) for updates in ways.values()} == {
        accumulation,
        4 * accumulation,
    }
    packed = ways["packed"][0].batches[0].attention_mask
    assert packed.max() > 1
    # The last update is not full.
    for number in (0, -1):
        expected, expected_sums = gradients_of(model, ways["no"][number])
        for way in ("packed", "parts"):
            found, sums = gradients_of(model, ways[way][number])
            assert mx.abs(sums - expected_sums).max() < 1e-4
            for name, gradient in expected.items():
                assert mx.abs(found[name] - gradient).max() < 2e-5, (way, name)
