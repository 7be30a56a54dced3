"""The cut into heads and back."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.models.attention import merge_heads, split_heads


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
