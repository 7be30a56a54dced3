"""Attention: splitting into heads, and the mask."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.backend.linux_cpu import layers
from mlx_finbert.models.attention import Attention, Packing
from mlx_finbert.models.dropout import dropout_from

KINDS = [Attention, layers.Attention]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [(3,), (1, 3)])
def test_heads_are_those_of_a_reshape(kind, lead):
    x = np.arange(3 * 5 * 12).reshape(*lead, 5, 12).astype(np.float32)
    expected = x.reshape(*lead, 5, 4, 3).swapaxes(-3, -2)
    assert np.array_equal(kind(4, 0.0).split_heads(mx.array(x)), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("key", [None, mx.random.key(0)])
def test_attention_against_numpy(kind, first_only, key):
    """In packed rows; with a key there is a dropout of next to nothing, on another path."""
    packing = Packing(mx.array([[1, 1, 1, 2, 2, 0], [1, 1, 1, 1, 2, 2]]), 2)
    x, y, z = (
        np.random.default_rng(i).normal(size=(2, 6, 12)).astype(np.float32) for i in range(3)
    )
    queries = np.stack([x[0, [0, 3]], x[1, [0, 4]]]) if first_only else x
    with dropout_from(key):
        found = kind(3, 1e-9)(mx.array(queries), mx.array(y), mx.array(z), packing, first_only)
    q, k, v = (a.reshape(2, -1, 3, 4).swapaxes(1, 2).astype(np.float64) for a in (queries, y, z))
    scores = q @ k.swapaxes(-1, -2) / 2
    scores[
        ~np.broadcast_to(packing.first_mask if first_only else packing.mask, scores.shape)
    ] = -1e9
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    expected = (p / p.sum(axis=-1, keepdims=True)) @ v
    np.testing.assert_allclose(found, expected.swapaxes(1, 2).reshape(found.shape), atol=1e-5)


def test_the_gradient_of_merged_heads_puts_everything_back_in_its_place():
    x, cotangent = (mx.random.normal((2, 5, 12)) for _ in range(2))
    attention = layers.Attention(4, 0.0)
    _, (gradient,) = mx.vjp(
        lambda x: layers.merge_heads(attention.split_heads(x)), [x], [cotangent]
    )
    assert mx.array_equal(gradient, cotangent)
