"""GELU, softmax, layer norm and linear layers from additions, multiplications and divisions.

On MLX's CPU backend for Linux, erf and exp take 10 to 20 ns per element, a multiplication takes
0.1 ns. The derivatives are written out, since the derivative of an approximation is a worse
approximation. All errors are below 1e-6 (tests).
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

custom_function: Any = mx.custom_function
"""Typed as Any, since MLX declares its result as `object`."""


def apart(x: mx.array) -> mx.array:
    """End a fused kernel: return the same array, computed in a separate kernel.

    `mx.compile` fuses operations up to 11 deep, and g++ does not vectorize a loop over many arrays.
    Short kernels with few arrays are three times as fast. This copies nothing.
    """
    return mx.contiguous(x)


UPPER_TAIL = (
    9.97342766e-02,
    4.47746453e-02,
    8.63244710e-03,
    9.23087462e-04,
    1.55264369e-04,
    7.91737822e-05,
    -1.27718182e-05,
    2.58787500e-06,
)
"""c1 to c8 in 1 - Phi(t) = 1 / (2 (1 + c1 t + ... + c8 t^8)^8) for t >= 0.

The form is Abramowitz and Stegun's 7.1.28, with a lower outer power, since powers multiply the
rounding error. The coefficients are fitted: t (1 - Phi(t)) and its derivative are within 1.0e-7 and
2.1e-7.
"""

FAR = 8.0
"""Above this, 1 - Phi is below 1e-15."""


def gelu(x: mx.array) -> mx.array:
    """x Phi(x) (Hendrycks and Gimpel 2016), any shape, float32."""
    return _gelu(x)[0]


@custom_function
def _gelu(x: mx.array) -> tuple[mx.array, mx.array]:
    """Return GELU, and the root that its derivative uses again."""
    distance = mx.abs(x)
    root = tail_root(distance)
    return 0.5 * x + distance * (0.5 - 0.5 * power8(root)), root


@_gelu.vjp
def _gelu_vjp(
    x: mx.array, cotangents: tuple[mx.array, mx.array], outputs: tuple[mx.array, mx.array]
) -> mx.array:
    distance = mx.minimum(mx.abs(x), FAR)
    root, slope = outputs[1], tail_slope(distance)
    # Phi(t) + t phi(t) - 1/2, which is odd in x.
    beyond_half = apart(0.5 - power8(root) * (0.5 - 4 * distance * root * slope))
    return cotangents[0] * (0.5 + mx.sign(x) * beyond_half)


def tail_root(t: mx.array) -> mx.array:
    """The 8th root of 2 (1 - Phi(t)), t >= 0."""
    return apart(1 / (1 + t * polynomial(UPPER_TAIL, t)))


def tail_slope(t: mx.array) -> mx.array:
    """The derivative of 1 / tail_root(t)."""
    return apart(polynomial([i * c for i, c in enumerate(UPPER_TAIL, 1)], t))


def polynomial(coefficients: Sequence[float], t: mx.array) -> mx.array:
    """c0 + c1 t + c2 t^2 + ..., by Estrin's scheme, whose depth is small enough for one kernel."""
    terms: list[Any] = list(coefficients)
    while len(terms) > 1:
        pairs = [low + high * t for low, high in zip(terms[::2], terms[1::2], strict=False)]
        terms, t = pairs + terms[2 * len(pairs) :], t * t
    return terms[0]


def power8(x: mx.array) -> mx.array:
    return mx.square(mx.square(mx.square(x)))


@custom_function
def softmax(x: mx.array) -> mx.array:
    """Softmax over the last axis, float32."""
    e = inverse_exp(x.max(axis=-1, keepdims=True) - x)
    return e / row_sums(e)


@softmax.vjp
def softmax_vjp(_: mx.array, cotangent: mx.array, p: mx.array) -> mx.array:
    g = cotangent * p
    return g - p * row_sums(g)


def exp_below_max(x: mx.array) -> mx.array:
    """e^(x - max) over the last axis, any shape, float32.

    Its derivative is not written out, since callers have a shorter one for the whole expression.
    """
    return inverse_exp(apart(widened(row_max(x), x.shape) - x))


def widened(column: mx.array, shape: Sequence[int]) -> mx.array:
    """Broadcast (..., 1) to that shape, outside of the kernel that reads it.

    Operations fused with a broadcast are not vectorized.
    """
    return mx.depends([mx.broadcast_to(column, shape)], [column])[0]


def row_max(x: mx.array) -> mx.array:
    """The maximum of each row, (..., n) to (..., 1).

    MLX vectorizes a maximum over rows, but not one within a row.
    """
    if x.shape[-1] % 8:
        return x.max(axis=-1, keepdims=True)
    return mx.unflatten(x, -1, (8, -1)).max(axis=-2).max(axis=-1, keepdims=True)


def inverse_exp(t: mx.array) -> mx.array:
    """e^-t for t >= 0, within 3e-7; zero for t >= 178.

    Computes the series of e^a - 1 for a = t / 64 and doubles the exponent six times. With
    u = e^a - 1, doubling is u (2 + u), which keeps the digits that e^a would lose near 1. All terms
    are positive; if they overflow, the inverse is zero.
    """
    a = apart(t * (1 / 64))
    u = apart(a * polynomial((1, 1 / 2, 1 / 6, 1 / 24, 1 / 120), a))
    for _ in range(5):
        u = u * (2 + u)
    return apart(1 / mx.square(1 + u))


@custom_function
def linear(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
    """x W^T + b, for x (..., in), W (out, in) and b (out,), float32."""
    return mx.addmm(bias, x, weight.T)


@linear.vjp
def linear_vjp(
    primals: tuple[mx.array, mx.array, mx.array], cotangent: mx.array, _: mx.array
) -> tuple[mx.array, mx.array, mx.array]:
    """The gradients; MLX's own gradient of W is transposed, which later operations read slowly."""
    x, weight, _ = primals
    g = cotangent.reshape(-1, cotangent.shape[-1])
    rows = x.reshape(-1, x.shape[-1])
    return (g @ weight).reshape(x.shape), g.T @ rows, column_sums(g)


def layer_norm(x: mx.array, weight: mx.array, bias: mx.array, eps: float) -> mx.array:
    """(x - mean) / sqrt(variance + eps) over the last axis, times weight, plus bias, float32."""
    rows = x.reshape(-1, x.shape[-1])
    return _layer_norm(rows, weight, bias, mx.array(eps))[0].reshape(x.shape)


@custom_function
def _layer_norm(
    x: mx.array, weight: mx.array, bias: mx.array, eps: mx.array
) -> tuple[mx.array, mx.array, mx.array]:
    """Normalize rows (n, m); also return two arrays that the derivative uses again."""
    centred = x - row_means(x)
    scale = apart(mx.rsqrt(row_means(mx.square(centred)) + eps))
    normal = centred * scale
    return normal * weight + bias, normal, scale


@_layer_norm.vjp
def _layer_norm_vjp(
    primals: tuple[mx.array, ...], cotangents: tuple[mx.array, ...], outputs: tuple[mx.array, ...]
) -> tuple[mx.array, ...]:
    _, weight, _, eps = primals
    g, (_, normal, scale) = cotangents[0], outputs
    h = g * weight
    to_x = scale * (h - row_means(h) - normal * row_means(h * normal))
    return to_x, column_sums(g * normal), column_sums(g), mx.zeros_like(eps)


def row_sums(x: mx.array) -> mx.array:
    """The sum of each row, (..., n) to (..., 1), by BLAS."""
    return x @ mx.ones((x.shape[-1], 1))


def row_means(x: mx.array) -> mx.array:
    """The mean of each row, (..., n) to (..., 1), by BLAS."""
    return x @ mx.full((x.shape[-1], 1), 1 / x.shape[-1])


def column_sums(x: mx.array) -> mx.array:
    """The sum of each column, (n, m) to (m,), by BLAS."""
    return (mx.ones((1, len(x))) @ x).squeeze(0)
