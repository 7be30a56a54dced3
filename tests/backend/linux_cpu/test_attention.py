"""Attention in blocks compared with all scores at once: results, gradients, dropout."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.backend.linux_cpu import attention, layers
from mlx_finbert.backend.linux_cpu.attention import attend_block, attend_in_blocks, cut
from mlx_finbert.backend.linux_cpu.layers import merge_heads
from mlx_finbert.models.attention import Packing
from mlx_finbert.models.dropout import Dropout, dropout_from

ROWS, HEADS, LENGTH, SIZE = 5, 3, 10, 4


@pytest.fixture(params=[1, 2, 4, 15], ids="one two four all".split())
def heads(request, monkeypatch):
    """Set the number of heads per block."""
    monkeypatch.setattr(attention, "BLOCK", request.param * 4 * LENGTH**2)


def arrays_and_mask(*lead):
    arrays = [mx.random.normal((*lead, ROWS, HEADS, LENGTH, SIZE)) for _ in range(3)]
    lengths = mx.array([1, 10, 4, 7, 9]).reshape(*lead, -1, 1, 1, 1)
    return arrays, mx.arange(LENGTH) < lengths


def in_blocks_of(queries, keys, values, mask, dropout):
    """`attend_in_blocks` with dropout."""
    shape = (*queries.shape[:-1], keys.shape[-2])
    keep = dropout.draw(shape) if dropout.is_on else None
    return attend_in_blocks(queries, keys, values, mask, 0.5, keep, dropout.scale)


def at_once(queries, keys, values, mask, dropout):
    scores = mx.where(mask, queries @ keys.swapaxes(-1, -2) * 0.5, -1e9)
    return dropout(mx.softmax(scores, axis=-1)) @ values


@pytest.mark.usefixtures("heads")
@pytest.mark.parametrize("lead", [(), (1,)])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("compiled", [False, True])
def test_blocks_of_any_size_give_the_same(lead, rate, compiled):
    arrays, mask = arrays_and_mask(*lead)
    cotangent, dropout = mx.random.normal(arrays[0].shape), Dropout(rate)

    def found(function, key):
        def of(*arrays):
            with dropout_from(key):
                return function(*arrays, mask, dropout)

        return mx.vjp(of, arrays, [cotangent])

    def both(key):
        return found(in_blocks_of, key)

    key = mx.random.key(1)
    (expected,), expected_gradients = found(at_once, key)
    (result,), gradients = (mx.compile(both) if compiled else both)(key)
    for a, b in zip([result, *gradients], [expected, *expected_gradients], strict=True):
        assert a.shape == b.shape
        assert mx.abs(a - b).max() < 1e-5


@pytest.mark.parametrize("spread", [0.1, 5, 50, 1000])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_block_and_its_gradients_against_float64(spread, share):
    rng = np.random.default_rng(0)
    q, k, v, cotangent = (rng.normal(size=(3, 33, 8)).astype(np.float32) for _ in range(4))
    q = q * np.float32(spread)
    keep = rng.random((3, 33, 33)) >= share
    scores = q.astype(np.float64) @ k.swapaxes(-1, -2)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    to_p = keep * (cotangent @ v.swapaxes(-1, -2).astype(np.float64))
    to_scores = p * (to_p - (p * to_p).sum(axis=-1, keepdims=True))
    expected = [
        (p * keep) @ v,
        to_scores @ k,
        to_scores.swapaxes(-1, -2) @ q,
        (p * keep).swapaxes(-1, -2) @ cotangent,
    ]

    def block(q, k, v):
        return attend_block(q, k, v, [mx.array(keep)], mx.zeros((1, 1, 1)))[0]

    (found,), gradients = mx.vjp(block, [mx.array(x) for x in (q, k, v)], [mx.array(cotangent)])
    # A score's rounding error grows with the score.
    for a, b in zip([found, *gradients], expected, strict=True):
        assert np.abs(np.array(a) - b).max() < 1e-5 * max(1, spread) * max(1, np.abs(b).max())


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_blocks_of_halves_and_of_a_row_without_a_token(monkeypatch, rate):
    monkeypatch.setattr(attention, "BLOCK", 1)
    arrays = [mx.random.normal((2, 3, 10, 4)).astype(mx.float16) for _ in range(4)]
    mask = mx.arange(10) < mx.array([0, 6]).reshape(2, 1, 1, 1)

    def found(function, arrays):
        def of(*arrays):
            with dropout_from(mx.random.key(0)):
                return function(*arrays, Dropout(rate))

        (result,), gradients = mx.vjp(of, arrays[:3], [arrays[3]])
        return [result, *gradients]

    blocks = found(lambda q, k, v, d: in_blocks_of(q, k, v, mask, d), arrays)
    floats = [array.astype(mx.float32) for array in arrays]
    expected = found(lambda q, k, v, d: at_once(q, k, v, mask, d), floats)
    for a, b in zip(blocks, expected, strict=True):
        assert a.dtype == mx.float16
        assert mx.isfinite(a).all()
        assert mx.abs(a[1:] - b[1:]).max() < 1e-2


def test_gradients_of_values_alone():
    """The case of adapters on values only, in the lowest adapted layer."""
    arrays, mask = arrays_and_mask()
    queries, keys, values = arrays
    dropout, cotangent = Dropout(0.0), mx.random.normal(values.shape)
    _, (found,) = mx.vjp(
        lambda v: in_blocks_of(queries, keys, v, mask, dropout), [values], [cotangent]
    )
    _, (expected,) = mx.vjp(
        lambda v: at_once(queries, keys, v, mask, dropout), [values], [cotangent]
    )
    assert mx.abs(found - expected).max() < 1e-5


@pytest.mark.skipif(mx.default_device() != mx.cpu, reason="the order in which a CPU computes")
@pytest.mark.parametrize(("backward", "share"), [(False, 0.8), (True, 2.2)])
def test_blocks_go_one_after_the_other(monkeypatch, backward, share):
    """The forward pass keeps one block; with a backward pass, also the exponentials."""
    arrays = [mx.random.normal((2, 32, 128, 4)) for _ in range(4)]
    mask = mx.ones((2, 1, 1, 128), mx.bool_)
    scores = 2 * 32 * 4 * 128**2

    def in_blocks(*arrays):
        return in_blocks_of(*arrays, mask, Dropout(0.1))

    @mx.compile
    def found(*arrays):
        if not backward:
            return in_blocks(*arrays[:3])
        return mx.vjp(in_blocks, arrays[:3], arrays[3:])

    monkeypatch.setattr(attention, "BLOCK", scores // 16)
    mx.eval(arrays, mask)
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    mx.eval(found(*arrays))
    assert mx.get_peak_memory() - before < share * scores


def test_the_gradient_of_a_cut_puts_every_part_in_its_place():
    x = mx.random.normal((2, 25, 3, 1))
    parts, (gradient,) = mx.vjp(lambda x: cut(x, 2), [x], cut(x, 2))
    assert [part.shape[1] for part in parts] == 12 * [2] + [1]
    assert mx.array_equal(gradient, x)


@pytest.mark.parametrize(("block", "calls"), [(400, 1), (600, 1), (601, 0)])
@pytest.mark.parametrize("key", [None, mx.random.key(0)])
def test_few_blocks_are_not_cut(monkeypatch, block, calls, key):
    arrays = [mx.random.normal((2, 10, 12)) for _ in range(3)]
    packing = Packing((mx.arange(10) < mx.array([[3], [6]])).astype(mx.int32))
    seen = []

    def noted(*arguments):
        seen.append(arguments)
        return attend_in_blocks(*arguments)

    monkeypatch.setattr(attention, "BLOCK", block)
    monkeypatch.setattr(layers, "attend_in_blocks", noted)
    layer = layers.Attention(3, 0.1)
    with dropout_from(key):
        found = layer(*arrays, packing)
    assert len(seen) == calls
    with dropout_from(key):
        heads = map(layer.split_heads, arrays)
        expected = merge_heads(at_once(*heads, packing.mask, layer.dropout))
    assert mx.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("block", [400, 1])
def test_blocks_of_packed_rows(monkeypatch, block):
    """Keep only tokens, since results for padding are never used."""
    arrays = [mx.random.normal((2, 3, 10, 4)) for _ in range(4)]
    numbers = mx.array([[1, 1, 1, 2, 2, 2, 2, 3, 3, 0], [1, 1, 1, 1, 1, 1, 2, 0, 0, 0]])
    packing, is_token = Packing(numbers, 3), (numbers > 0)[:, None, :, None]
    monkeypatch.setattr(attention, "BLOCK", block)

    def in_blocks(q, k, v):
        return in_blocks_of(q, k, v, packing.first_mask, Dropout(0.1)) * is_token

    def whole(q, k, v):
        return at_once(q, k, v, packing.mask, Dropout(0.1)) * is_token

    def found(function):
        with dropout_from(mx.random.key(2)):
            (result,), gradients = mx.vjp(function, arrays[:3], arrays[3:])
        return [result, *gradients]

    for a, b in zip(found(in_blocks), found(whole), strict=True):
        assert mx.abs(a - b).max() < 1e-5
