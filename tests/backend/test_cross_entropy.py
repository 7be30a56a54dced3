"""The cross-entropy of a vocabulary is that of MLX, with its gradient."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from mlx_finbert.backend.interface import cross_entropy

pytestmark = pytest.mark.usefixtures("backend")


def rows_of(size, spread):
    rng = np.random.default_rng(size)
    logits = rng.normal(scale=spread, size=(7, size)).astype(np.float32)
    weights = rng.uniform(0, 2, 7).astype(np.float32)
    weights[2] = 0
    return mx.array(logits), mx.array(rng.integers(0, size, 7), mx.int32), mx.array(weights)


def plain(logits, label_ids):
    return nn.losses.cross_entropy(logits.astype(mx.float32), label_ids)


def loss_and_gradient(function, logits, label_ids, weights):
    def loss(logits, label_ids):
        return (function(logits, label_ids) * weights).sum()

    return mx.compile(mx.value_and_grad(loss))(logits, label_ids)


@pytest.mark.parametrize("size", [2, 53, 1024])
@pytest.mark.parametrize("spread", [0.1, 5.0, 60.0])
def test_losses_and_gradients_are_those_of_mlx(size, spread):
    logits, label_ids, weights = rows_of(size, spread)
    losses = cross_entropy(logits, label_ids)
    assert losses.shape == (7,) and losses.dtype == mx.float32
    assert mx.allclose(losses, plain(logits, label_ids), rtol=1e-5, atol=2e-6)
    found = loss_and_gradient(cross_entropy, logits, label_ids, weights)
    expected = loss_and_gradient(plain, logits, label_ids, weights)
    assert found[0].item() == pytest.approx(expected[0].item(), rel=1e-5)
    # The rounding of large logits is an error of their exponentials.
    assert mx.abs(found[1] - expected[1]).max() < 2e-6 + 1e-7 * spread
    assert not found[1][2].any()


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_half_precision_is_computed_in_float32(dtype):
    logits, label_ids, weights = rows_of(1024, 5.0)
    logits = logits.astype(dtype)
    losses = cross_entropy(logits, label_ids)
    assert losses.dtype == mx.float32
    exact = plain(logits.astype(mx.float32), label_ids)
    assert mx.allclose(losses, exact, rtol=1e-5, atol=2e-6)
    _, gradient = loss_and_gradient(cross_entropy, logits, label_ids, weights)
    _, expected = loss_and_gradient(plain, logits, label_ids, weights)
    assert gradient.dtype == dtype
    assert mx.allclose(gradient, expected, rtol=2e-2, atol=1e-5)
