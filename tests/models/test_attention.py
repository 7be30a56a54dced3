"""The cut into heads and back, and attention block by block."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.models import attention
from mlx_finbert.models.attention import attend_in_blocks, merge_heads, split_heads


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
@pytest.mark.parametrize(
    "block", [1, 2 * 400, 3 * 3 * 400, 10**9], ids="head heads rows all".split()
)
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
