"""The loss compared with PyTorch's cross-entropy, and class weights by name."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.training.loss import Loss, class_weights

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
    assert total / loss.total_weight(labels) == pytest.approx(expected, rel=1e-6)


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
        (["gloomy=2"], "gloomy=2: write balanced, sqrt-balanced or LABEL=WEIGHT.*negative"),
        (["balanced", "negative=2"], "balanced: write balanced"),
        (["negative=-1"], "negative=-1: the weight must be a number above 0"),
        (["negative=x"], "the weight must be a number above 0"),
        (["negative=inf"], "the weight must be a number above 0"),
    ],
)
def test_weights_that_cannot_be_used(spec, words):
    with pytest.raises(InputError, match=words):
        class_weights(spec, NAMES, LABELS)
