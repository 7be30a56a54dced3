"""Cross-entropy without exp, which takes 9 ns per element here: a vocabulary has 30,000."""

import mlx.core as mx

from mlx_finbert.backend.linux_cpu.arithmetic import (
    apart,
    custom_function,
    exp_below_max,
    row_sums,
    widened,
)


def cross_entropy(logits: mx.array, label_ids: mx.array) -> mx.array:
    """See `mlx_finbert.backend.cross_entropy`."""
    return _cross_entropy(logits.astype(mx.float32), label_ids)[0]


@custom_function
def _cross_entropy(logits: mx.array, label_ids: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """Return the losses; e^(logit - the row's maximum) and its row sums for the derivative."""
    e = exp_below_max(logits)
    sums = row_sums(e)
    own = mx.take_along_axis(logits, label_ids[:, None], axis=-1)
    return (mx.log(sums) + logits.max(axis=-1, keepdims=True) - own)[:, 0], e, sums


@_cross_entropy.vjp
def _cross_entropy_vjp(
    primals: tuple[mx.array, mx.array],
    cotangents: tuple[mx.array, ...],
    outputs: tuple[mx.array, mx.array, mx.array],
) -> tuple[mx.array, mx.array]:
    label_ids, (_, e, sums) = primals[1], outputs
    factors = cotangents[0][:, None] / sums
    gradient = apart(e * widened(factors, e.shape))
    rows = mx.arange(len(label_ids))
    return gradient.at[rows, label_ids].subtract(cotangents[0]), mx.zeros_like(label_ids)
