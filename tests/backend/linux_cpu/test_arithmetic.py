"""The functions of `linux_cpu` compared with float64 and with MLX's own functions."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from scipy.special import ndtr

from mlx_finbert.backend.linux_cpu import arithmetic

MOST = float(np.finfo(np.float32).max)


def every_kind_of_float32():
    """Zeros, subnormals, each power of two with both signs, and a fine grid where GELU bends."""
    powers = np.concatenate([m * 2.0 ** np.arange(-149, 128) for m in (1.0, 1.37)])
    grid = np.linspace(-12, 12, 1_000_001)
    return np.concatenate([[0.0, -0.0, MOST, -MOST], powers, -powers, grid]).astype(np.float32)


def test_gelu_and_its_derivative_over_all_of_float32():
    x = every_kind_of_float32()
    wide = x.astype(np.float64)
    value = np.array(arithmetic.gelu(mx.array(x)), np.float64)
    slope = np.array(mx.grad(lambda x: arithmetic.gelu(x).sum())(mx.array(x)), np.float64)
    # The last bit of a large number is more than 1e-6.
    assert np.all(np.abs(value - wide * ndtr(wide)) <= 1e-6 * np.maximum(1, np.abs(wide)))
    near = np.abs(wide) <= 8
    assert np.abs(value - wide * ndtr(wide))[near].max() < 1e-6
    density = np.exp(-np.minimum(np.square(wide), 1e3) / 2) / np.sqrt(2 * np.pi)
    assert np.abs(slope - (ndtr(wide) + wide * density)).max() < 1e-6


def test_inverse_exp():
    t = np.concatenate([np.linspace(0, 200, 500_001), [MOST, 1e9, 1e-30]]).astype(np.float32)
    found = np.array(arithmetic.inverse_exp(mx.array(t)), np.float64)
    assert np.all(found >= 0)
    assert np.abs(found - np.exp(-t.astype(np.float64))).max() < 3e-7
    # The sum of 500 keys far below the largest one.
    assert found[t > 30].max() * 500 < 1e-6
    assert np.all(found[t > 180] == 0)


@pytest.mark.parametrize("length", [1, 8, 33, 512])
@pytest.mark.parametrize("spread", [0.1, 5, 50])
def test_softmax_and_its_gradient(length, spread):
    rng = np.random.default_rng(length)
    x = (rng.normal(size=(300, length)) * spread).astype(np.float32)
    cotangent = rng.normal(size=x.shape).astype(np.float32)
    e = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    expected = e / e.sum(axis=-1, keepdims=True)
    (found,), (gradient,) = mx.vjp(arithmetic.softmax, [mx.array(x)], [mx.array(cotangent)])
    assert np.abs(np.array(found) - expected).max() < 1e-6
    inner = (expected * cotangent).sum(axis=-1, keepdims=True)
    assert np.abs(np.array(gradient) - expected * (cotangent - inner)).max() < 3e-6


@pytest.mark.parametrize("length", [1, 8, 33, 512])
@pytest.mark.parametrize("spread", [0.1, 5, 50, 1000])
def test_exp_below_max(length, spread):
    x = (np.random.default_rng(length).normal(size=(3, 100, length)) * spread).astype(np.float32)
    expected = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    assert np.abs(np.array(arithmetic.exp_below_max(mx.array(x))) - expected).max() < 1e-6


@pytest.mark.parametrize("length", [1, 7, 8, 9, 64])
def test_row_max(length):
    x = -np.abs(np.random.default_rng(0).normal(size=(2, 50, length))).astype(np.float32)
    assert np.array_equal(arithmetic.row_max(mx.array(x)), x.max(axis=-1, keepdims=True))


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 7), (2, 1, 4, 7)])
def test_linear_and_its_gradients_are_those_of_mlx(shape):
    mx.random.seed(0)
    layer = nn.Linear(7, 6)
    x, cotangent = mx.random.normal(shape), mx.random.normal((*shape[:-1], 6))
    primals = [x, layer.weight, layer.bias]
    plain = mx.vjp(lambda x, w, b: mx.addmm(b, x, w.T), primals, [cotangent])
    ours = mx.vjp(arithmetic.linear, primals, [cotangent])
    for expected, found in zip((*plain[0], *plain[1]), (*ours[0], *ours[1]), strict=True):
        assert expected.shape == found.shape
        assert mx.abs(expected - found).max() < 1e-5


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 7), (2, 1, 4, 384)])
@pytest.mark.parametrize("offset", [0, 30])
def test_layer_norm_and_its_gradients(shape, offset):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * 2 + offset
    weight, bias = (rng.normal(size=shape[-1]) for _ in range(2))
    cotangent = rng.normal(size=shape)
    primals = [mx.array(array.astype(np.float32)) for array in (x, weight, bias)]
    (found,), gradients = mx.vjp(
        lambda *primals: arithmetic.layer_norm(*primals, 1e-12),
        primals,
        [mx.array(cotangent.astype(np.float32))],
    )
    x = np.array(primals[0], np.float64)
    deviation = x.std(axis=-1, keepdims=True)
    normal = (x - x.mean(axis=-1, keepdims=True)) / deviation
    h = cotangent * weight
    means = h.mean(axis=-1, keepdims=True), (h * normal).mean(axis=-1, keepdims=True)
    rows = tuple(range(x.ndim - 1))
    expected = (
        (h - means[0] - normal * means[1]) / deviation,
        (cotangent * normal).sum(axis=rows),
        cotangent.sum(axis=rows),
    )
    # The precision of x - mean in float32.
    error = 1e-6 * (3 + offset)
    assert np.abs(np.array(found) - (normal * weight + bias)).max() < error
    for gradient, value in zip(gradients, expected, strict=True):
        assert np.abs(np.array(gradient) - value).max() < 3 * error


def test_all_of_it_compiled():
    x = mx.random.normal((4, 16))
    for function in (arithmetic.gelu, arithmetic.softmax):
        loss = mx.value_and_grad(lambda x, f=function: mx.square(f(x)).sum())
        for eager, compiled in zip(loss(x), mx.compile(loss)(x), strict=True):
            assert mx.abs(eager - compiled).max() < 1e-6
