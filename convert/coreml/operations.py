"""The operations of a saved program, in numpy: float32 in, float32 out.

Semantics: the operation classes of coremltools' `mil/ops/defs`. Other operations, and forms that
the export does not write, are refused, never guessed.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.stored_weights import unpacked

ERF_STEPS = 4096
"""Steps per unit in the table of erf."""
ERF_END = 6
"""End of the table, beyond which erf is 1 in float32."""
_ERF = np.array([math.erf(i / ERF_STEPS) for i in range(ERF_END * ERF_STEPS + 2)])
ERF_VALUES, ERF_SLOPES = _ERF[:-1].astype(np.float32), np.diff(_ERF).astype(np.float32)


class EvaluationError(Exception):
    """A program that cannot be run because the export never writes such a program."""


def erf(x: np.ndarray) -> np.ndarray:
    """Compute the error function, float32, by linear interpolation in a table.

    The interpolation's error is at most h^2 / 8 max|erf''| = 7e-9 for the table's h of 1/4096;
    with float32's rounding the result is within 2e-7.
    """
    position = np.minimum(np.abs(x), np.float32(ERF_END)) * np.float32(ERF_STEPS)
    index = np.nan_to_num(position).astype(np.int32)
    rest = position - index.astype(np.float32)
    return np.copysign(ERF_VALUES[index] + rest * ERF_SLOPES[index], x)


def cast(x: np.ndarray, dtype: str) -> np.ndarray:
    names = {"fp16": np.float32, "fp32": np.float32, "bool": np.bool_}
    return x.astype(names.get(dtype) or np.dtype(dtype))


def gather(
    x: np.ndarray, indices: np.ndarray, axis: int, batch_dims: int, validate_indices: bool = False
) -> np.ndarray:
    require(batch_dims == 0, "gather with batch_dims")
    if indices.min() < 0 or indices.max() >= x.shape[axis]:
        raise EvaluationError(f"an index of gather is outside 0 to {x.shape[axis] - 1}")
    return np.take(x, indices, axis=int(axis))


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return x @ weight.T + bias


def conv(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    strides: np.ndarray,
    dilations: np.ndarray,
    groups: int,
    pad_type: str,
    pad: np.ndarray,
) -> np.ndarray:
    """Compute a 1x1 convolution over (B, D, 1, S)."""
    plain = weight.shape[2:] == (1, 1) and x.shape[2] == 1 and groups == 1
    padded = pad_type != "valid" or np.any(pad)
    require(plain and {*strides, *dilations} == {1} and not padded, "a convolution that is not 1x1")
    return (weight[:, :, 0, 0] @ x[:, :, 0] + bias[:, None])[:, :, None]


def matmul(x: np.ndarray, y: np.ndarray, transpose_x: bool, transpose_y: bool) -> np.ndarray:
    return (x.swapaxes(-1, -2) if transpose_x else x) @ (y.swapaxes(-1, -2) if transpose_y else y)


def einsum(values: list[np.ndarray], equation: str) -> np.ndarray:
    """Compute `nchw,nwhu->nchu`, the only form of Core ML's einsum, with any letters."""
    first, second, out = (part.strip() for part in equation.replace("->", ",").split(","))
    n, c, h, w = list(first)
    u = second[3]
    require((second, out) == (n + w + h + u, n + c + h + u), f"einsum {equation}")
    x, y = (value.swapaxes(1, 2) for value in values)
    return (x @ y).swapaxes(1, 2)


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - x.max(axis=int(axis), keepdims=True))
    return powers / powers.sum(axis=int(axis), keepdims=True)


def layer_norm(
    x: np.ndarray, axes: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float
) -> np.ndarray:
    axis = tuple(int(a) for a in axes)
    require(len(axis) == 1, "layer_norm over several axes")
    shape = [1] * x.ndim
    shape[axis[0]] = -1
    centred = x - x.mean(axis=axis, keepdims=True)
    variance = np.square(centred).mean(axis=axis, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * gamma.reshape(shape) + beta.reshape(shape)


def gelu(x: np.ndarray, mode: str) -> np.ndarray:
    if mode == "EXACT":
        return x * np.float32(0.5) * (1 + erf(x * np.float32(math.sqrt(0.5))))
    require(mode == "TANH_APPROXIMATION", f"gelu in mode {mode}")
    return x * 0.5 * (1 + np.tanh(np.float32(math.sqrt(2 / math.pi)) * (x + 0.044715 * x**3)))


def cumsum(x: np.ndarray, axis: int, exclusive: bool, reverse: bool) -> np.ndarray:
    require(not exclusive and not reverse, "cumsum that is exclusive or reversed")
    return np.cumsum(x, axis=int(axis), dtype=x.dtype)


def slice_by_size(x: np.ndarray, begin: np.ndarray, size: np.ndarray) -> np.ndarray:
    return x[tuple(slice(b, b + s) for b, s in zip(begin, size, strict=True))]


def split(x: np.ndarray, num_splits: int, axis: int) -> list[np.ndarray]:
    return np.split(x, int(num_splits), axis=int(axis))


def concat(values: list[np.ndarray], axis: int, interleave: bool) -> np.ndarray:
    require(not interleave, "concat that interleaves")
    return np.concatenate(values, axis=int(axis))


def classify(probabilities: np.ndarray, classes: list[str]) -> list[Any]:
    by_label = dict(zip(classes, probabilities.ravel().tolist(), strict=True))
    return [max(by_label, key=by_label.__getitem__), by_label]


def affine_dequantize(
    quantized_data: np.ndarray, zero_point: np.ndarray, scale: np.ndarray, axis: int
) -> np.ndarray:
    """Decompress iOS16's int8: scale and zero point for each slice along an axis."""
    shape = [1] * quantized_data.ndim
    if scale.size > 1:
        shape[int(axis)] = -1
    shifted = quantized_data.astype(np.float32) - zero_point.astype(np.float32).reshape(shape)
    return shifted * scale.astype(np.float32).reshape(shape)


def blockwise_shift_scale(
    data: np.ndarray, scale: np.ndarray, offset: np.ndarray | None = None
) -> np.ndarray:
    """Decompress iOS18's int8: scale and offset for blocks, here each slice along an axis."""
    for axis in range(data.ndim):
        scale = np.repeat(scale, data.shape[axis] // scale.shape[axis], axis=axis)
        if offset is not None:
            offset = np.repeat(offset, data.shape[axis] // offset.shape[axis], axis=axis)
    shifted = data.astype(np.float32) - (0 if offset is None else offset.astype(np.float32))
    return shifted * scale.astype(np.float32)


def lut_to_dense(
    indices: np.ndarray, lut: np.ndarray, shape: np.ndarray | None = None
) -> np.ndarray:
    """Decompress a palette: iOS16 packs indices into bytes and adds the shape, iOS18 types them."""
    if shape is None:
        require(lut.size == lut.shape[-2] and lut.shape[-1] == 1, "a palette of several tables")
        return lut.reshape(-1).astype(np.float32)[indices]
    chosen = unpacked(indices, int(math.log2(lut.size)), int(np.prod(shape)))
    return lut.astype(np.float32)[chosen].reshape(shape)


def require(condition: bool, what: str) -> None:
    if not condition:
        raise EvaluationError(what)


CONSTANTS: dict[str, Callable[..., np.ndarray]] = {
    "const": lambda val: val,
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_lut_to_dense": lut_to_dense,
}

OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "cast": cast,
    "classify": classify,
    "concat": concat,
    "conv": conv,
    "cumsum": cumsum,
    "einsum": einsum,
    "expand_dims": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "gather": gather,
    "gelu": gelu,
    "layer_norm": layer_norm,
    "linear": linear,
    "matmul": matmul,
    "mul": lambda x, y: x * y,
    "not_equal": lambda x, y: x != y,
    "relu": lambda x: np.maximum(x, 0),
    "reshape": lambda x, shape: x.reshape(shape),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "slice_by_size": slice_by_size,
    "softmax": softmax,
    "split": split,
    "sub": lambda x, y: x - y,
    "tanh": lambda x: np.tanh(x),
    "transpose": lambda x, perm: x.transpose(perm),
}
