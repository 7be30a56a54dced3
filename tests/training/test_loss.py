"""The loss compared with PyTorch's cross-entropy, class weights by name, and gradients."""

import mlx.core as mx
import numpy as np
import pytest
from small_models import NO_DROPOUT

import mlx_finbert
from mlx_finbert.backend.interface import compiled_value_and_grad
from mlx_finbert.data.grouping import RANDOM, Grouping
from mlx_finbert.data.loader import Loader, Update
from mlx_finbert.data.tokens import Tokens
from mlx_finbert.errors import InputError
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.loss import Loss, class_weights, loss_of_parameters

NAMES = ["negative", "neutral", "positive"]
LABELS = np.array([0] * 1 + [1] * 6 + [2] * 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weights", [[1, 1, 1], [5, 0.5, 2]])
def test_the_mean_is_that_of_torch(smoothing, weights):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 3, (7, 3)).astype(np.float32), rng.integers(0, 3, 7)
    reference = torch.nn.CrossEntropyLoss(
        torch.tensor(weights, dtype=torch.float32), label_smoothing=smoothing
    )
    expected = reference(torch.tensor(logits), torch.tensor(labels)).item()
    loss = Loss(np.array(weights, np.float32), smoothing)
    rows = mx.array([1.0] * 7 + [0.0])
    padded = mx.array(np.vstack([logits, np.full((1, 3), 9, np.float32)]))
    total = loss.sum(padded, mx.array([*labels.tolist(), 0]), rows).item()
    update = Update(np.arange(7), np.arange(1, 8), labels, [])
    assert total / loss.total_weight(update) == pytest.approx(expected, rel=1e-6)


def test_weights_by_share():
    balanced = class_weights(["balanced"], NAMES, LABELS)
    np.testing.assert_allclose(balanced, [10 / 3, 10 / 18, 10 / 9], rtol=1e-6)
    np.testing.assert_allclose(
        class_weights(["sqrt-balanced"], NAMES, LABELS), np.sqrt(balanced), rtol=1e-6
    )
    assert class_weights(None, NAMES, LABELS).tolist() == [1, 1, 1]


def test_balanced_weights_are_those_of_scikit_learn():
    reference = pytest.importorskip("sklearn.utils.class_weight", reason="needs scikit-learn")
    expected = reference.compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(class_weights(["balanced"], NAMES, LABELS), expected, rtol=1e-6)


def test_weights_by_name():
    assert class_weights(["Negative=3", "bullish=1.5"], NAMES, LABELS).tolist() == [3, 1, 1.5]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["gloomy=2"], "gloomy=2`: write balanced, sqrt-balanced or LABEL=WEIGHT.*negative"),
        (["balanced", "negative=2"], "balanced`: write balanced"),
        (["negative=-1"], "negative=-1`: the weight must be a number above 0"),
        (["negative=x"], "the weight must be a number above 0"),
        (["negative=inf"], "the weight must be a number above 0"),
    ],
)
def test_weights_that_cannot_be_used(spec, words):
    with pytest.raises(InputError, match=words):
        class_weights(spec, NAMES, LABELS)


def a_loader(way, pad, rows=21, batch_size=8, accumulation=1):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 30, rows)
    ids = rng.integers(5, 30, lengths.sum()).astype(np.int32)
    tokens = Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]), np.zeros(rows, bool))
    labels = rng.integers(0, 3, rows).astype(np.int32)
    more = {"seed": 0, "multiple": 4, "accumulation": accumulation}
    return Loader(tokens, labels, batch_size, pad, 30, **more, grouping=Grouping(way))


def gradients_of(model, update):
    """The gradients of the loss, summed over the rows of an update, and its figures."""
    loss = Loss(np.array([1.0, 2.0, 0.5], np.float32), 0.1)
    function = compiled_value_and_grad(loss_of_parameters(model, loss, {}, "float32"))
    parameters, key = named_parameters(model), mx.random.key(0)
    found, sums = {}, 0
    for batch in update.batches:
        (_, figures), more = function(
            parameters, tuple(map(mx.array, loss.arrays(batch))), key, mx.array(1.0)
        )
        found = {name: gradient + found.get(name, 0) for name, gradient in more.items()}
        sums = sums + figures
    return found, sums


@pytest.mark.usefixtures("backend")
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
