"""How an asset stores numbers and computes with them, in numpy alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlx_finbert.convert.coreml.conventions import LEAST_SIZE, SPARED
from mlx_finbert.convert.coreml.options import NUMPY_DTYPES

Precision = Literal["fp16", "fp32"]


@dataclass(frozen=True)
class Form:
    """The form of a program: what is shipped, or a twin of it that Linux can run quickly."""

    precision: Precision
    """Of the constants and of the arithmetic."""
    rounded_to: Precision
    """Of the values: a twin computes in fp32 with the values that the asset stores in fp16."""
    compress: str | None

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(NUMPY_DTYPES[self.precision])

    def stored(self, value: np.ndarray | float) -> np.ndarray:
        """Round a value as it is stored."""
        rounded = np.asarray(value).astype(NUMPY_DTYPES[self.rounded_to])
        return np.ascontiguousarray(rounded.astype(self.dtype))

    def is_compressed(self, name: str, value: np.ndarray) -> bool:
        """Whether a constant is stored in 8 bits."""
        return (
            self.compress is not None
            and name not in SPARED
            and value.ndim == 2
            and value.size >= LEAST_SIZE[self.compress]
        )


@dataclass(frozen=True)
class Int8:
    """A matrix in 8 bits, with a step for each row or column."""

    values: np.ndarray
    """int8"""
    steps: np.ndarray
    """In the form's dtype, of size 1 on the other axis."""


def in_int8(matrix: np.ndarray, axis: int, form: Form) -> Int8:
    """Store a matrix in 8 bits; values along `axis` share a step, which is never 0."""
    largest = np.abs(matrix).max(axis=axis, keepdims=True)
    steps = form.stored(np.where(largest > 0, largest, 1) / 127)
    # A step too small for half precision rounds to 0, as all values of its row do.
    divisor = np.where(steps > 0, steps, 1).astype(np.float32)
    values = np.clip(np.rint(matrix / divisor), -127, 127).astype(np.int8)
    return Int8(np.ascontiguousarray(values), steps)


def exact() -> Form:
    """The twin in float32 that must agree with the model."""
    return Form("fp32", "fp32", None)


def shipped(precision: Precision, compress: str | None) -> Form:
    """The form of an asset."""
    return Form(precision, precision, compress)


def stored_twin(form: Form) -> Form:
    """The values of an asset, computed in float32."""
    return Form("fp32", form.rounded_to, form.compress)
