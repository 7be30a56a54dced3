"""Parameters of a module by name."""

import mlx.core as mx
import pytest

from mlx_finbert.models.parameters import weights_sha256


def test_weights_are_told_by_names_and_values_alone():
    one, other = mx.arange(6.0).reshape(2, 3), mx.zeros((2, 3))
    found = weights_sha256({"a": one, "b": other})
    turned = mx.contiguous(one.T).T
    spread = mx.broadcast_to(mx.zeros(()), (2, 3))
    assert weights_sha256({"b": spread, "a": turned}) == found
    for changed in ({"a": one, "c": other}, {"a": one + 1, "b": other}, {"a": one}):
        assert weights_sha256(changed) != found


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16, mx.uint32])
def test_any_dtype(dtype):
    assert weights_sha256({"a": mx.arange(3, dtype=dtype)}) != weights_sha256({"a": mx.arange(3.0)})
