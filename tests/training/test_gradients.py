"""Each way of computing a random batch gives its gradient: whole, in parts, packed."""

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.data.grouping import RANDOM, Grouping
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens
from mlx_finbert.training.gradients import Gradients, added, named_parameters
from mlx_finbert.training.loss import Loss

NO_DROPOUT = {
    "bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "roberta": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
}


def a_loader(way, pad, rows=21, batch_size=8, accumulation=1):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 30, rows)
    ids = rng.integers(5, 30, lengths.sum()).astype(np.int32)
    tokens = Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]), np.zeros(rows, bool))
    labels = rng.integers(0, 3, rows).astype(np.int32)
    more = {"seed": 0, "multiple": 4, "accumulation": accumulation}
    return Loader(tokens, labels, batch_size, pad, 30, **more, grouping=Grouping(way))


def gradients_of(model, update):
    """Of the loss summed over the rows of an update, and its figures."""
    function = Gradients(model, Loss(np.array([1.0, 2.0, 0.5], np.float32), 0.1), {}, "float32")
    found, sums = [], []
    for batch in update.batches:
        more, figures = function(named_parameters(model), batch, mx.random.key(0), mx.array(1.0))
        found += more
        sums.append(figures)
    return added(found), sum(sums)


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
    # The last update has fewer rows than places.
    for number in (0, -1):
        expected, expected_sums = gradients_of(model, ways["no"][number])
        for way in ("packed", "parts"):
            found, sums = gradients_of(model, ways[way][number])
            assert mx.abs(sums - expected_sums).max() < 1e-4
            for name, gradient in expected.items():
                assert mx.abs(found[name] - gradient).max() < 2e-5, (way, name)


def test_one_trace_a_shape(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    function = Gradients(model, Loss(np.ones(3, np.float32)), {}, "float32")
    loader = a_loader("packed", 0)
    for _ in range(2):
        for batch in loader.epoch():
            function(named_parameters(model), batch, mx.random.key(0), mx.array(1.0))
    assert function.traces == len({batch.input_ids.shape for batch in loader.epoch()})
