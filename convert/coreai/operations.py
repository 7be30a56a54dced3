"""Operations that Apple's library lacks or takes in one type alone.

Imported in the child process alone.
"""

from collections.abc import Callable

import numpy as np
from coreai.authoring import (
    Value,
    blockwise_shift_scale,
    gelu,
    relu,
    reshape,
    silu,
    tanh,
    transpose,
)
from coreai.authoring.constant import constant

from mlx_finbert.convert.coreai.constants import Constant
from mlx_finbert.convert.coreai.form import Int8

ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "gelu": lambda x: gelu(x),
    "gelu_new": lambda x: gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: gelu(x, approximate="tanh"),
    "relu": relu,
    "silu": silu,
    "tanh": lambda x: tanh(x),
}


def stored(value: Constant) -> Value:
    """A constant, or the matrix that 8-bit values and their steps stand for."""
    if not isinstance(value, Int8):
        return constant(value)
    shape = value.steps.shape
    offsets = np.zeros(shape, np.int8), np.zeros(shape, value.steps.dtype)
    return blockwise_shift_scale(
        constant(value.values), constant(value.steps), *(constant(offset) for offset in offsets)
    )


def shaped(x: Value, *shape: int) -> Value:
    # Sizes must be unsigned: other integers abort the process.
    return reshape(x, np.array(shape, np.uint32))


def permuted(x: Value, *axes: int) -> Value:
    return transpose(x, np.array(axes, np.uint32))
