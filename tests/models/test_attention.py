"""The cut into heads and back, and attention block by block."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.models import attention
from mlx_finbert.models.attention import attend, attend_in_blocks, merge_heads, split_heads
from mlx_finbert.models.dropout import Dropout


@pytest.mark.parametrize("lead", [(3,), (1, 3)])
def test_heads_are_those_of_a_reshape(lead):
    x = np.arange(3 * 5 * 24).reshape(*lead, 5, 24).astype(np.float32)
    first, second = split_heads(mx.array(x), 2, 4)
    for found, part in ((first, x[..., :12]), (second, x[..., 12:])):
        expected = part.reshape(*lead, 5, 4, 3).swapaxes(-3, -2)
        assert np.array_equal(found, expected)
        assert np.array_equal(merge_heads(found), part)


def test_their_gradients_put_everything_back_in_its_place():
    x, cotangent = (mx.random.normal((2, 5, 12)) for _ in range(2))
    (_,), (gradient,) = mx.vjp(lambda x: merge_heads(split_heads(x, 1, 4)[0]), [x], [cotangent])
    assert mx.array_equal(gradient, cotangent)


@pytest.mark.parametrize("lead", [(), (1,)])
@pytest.mark.parametrize("block", [1, 2 * 400, 4 * 400, 10**9], ids="one two four all".split())
def test_blocks_of_any_size_give_the_same(monkeypatch, lead, block):
    num_rows, num_heads, length, head_size = 5, 3, 10, 4
    arrays = [mx.random.normal((*lead, num_rows, num_heads, length, head_size)) for _ in range(3)]
    lengths = mx.array([1, 10, 4, 7, 9]).reshape(*lead, -1, 1, 1, 1)
    mask = mx.arange(length) < lengths
    cotangent = mx.random.normal(arrays[0].shape)

    def plain(queries, keys, values):
        scores = mx.where(mask, queries @ keys.swapaxes(-1, -2) * 0.5, -1e9)
        return mx.softmax(scores, axis=-1) @ values

    def blocks(*arrays):
        return attend_in_blocks(*arrays, mask, 0.5)

    monkeypatch.setattr(attention, "BLOCK", block)
    (expected,), expected_gradients = mx.vjp(plain, arrays, [cotangent])
    for function in (blocks, mx.compile(blocks)):
        (found,), gradients = mx.vjp(function, arrays, [cotangent])
        assert found.shape == expected.shape
        for a, b in zip([found, *gradients], [expected, *expected_gradients], strict=True):
            assert mx.abs(a - b).max() < 1e-5


def test_blocks_of_halves_and_of_a_row_without_a_token():
    arrays = [mx.random.normal((2, 3, 10, 4)).astype(mx.float16) for _ in range(3)]
    mask = mx.arange(10) < mx.array([0, 6]).reshape(2, 1, 1, 1)
    found = attend_in_blocks(*arrays, mask, 0.5)
    assert found.dtype == mx.float16
    assert mx.isfinite(found).all()
    q, k, v = (array[1:].astype(mx.float32) for array in arrays)
    scores = mx.where(mask[1:], q @ k.swapaxes(-1, -2) * 0.5, -1e9)
    assert mx.abs(found[1:] - mx.softmax(scores, axis=-1) @ v).max() < 2e-3


@pytest.mark.parametrize(("block", "calls"), [(4 * 100, 1), (6 * 400 - 1, 1), (6 * 400, 0)])
def test_scores_that_fit_into_a_block_are_not_cut(monkeypatch, block, calls):
    arrays = [mx.random.normal((2, 3, 10, 4)) for _ in range(3)]
    mask = mx.arange(10) < mx.array([3, 6]).reshape(2, 1, 1, 1)
    seen = []

    def noted(*arguments):
        seen.append(arguments)
        return attend_in_blocks(*arguments)

    expected = mx.fast.scaled_dot_product_attention(*arrays, scale=0.5, mask=mask)
    monkeypatch.setattr(attention, "BLOCK", block)
    monkeypatch.setattr(attention, "attend_in_blocks", noted)
    monkeypatch.setattr(attention, "on_linux_cpu", lambda: True)
    found = attend(*arrays, mask, Dropout(0.1))
    assert len(seen) == calls
    assert mx.abs(found - merge_heads(expected)).max() < 1e-5
