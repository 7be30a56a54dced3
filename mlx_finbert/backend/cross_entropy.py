"""Cross-entropy over a vocabulary, whose arrays are the largest of a training step."""

from typing import Any

import mlx.core as mx

custom_function: Any = mx.custom_function
"""Typed as Any, since MLX declares its result as `object`."""


def cross_entropy(logits: mx.array, label_ids: mx.array) -> mx.array:
    """`nn.losses.cross_entropy`, with two arrays of the logits' size at its peak instead of four.

    MLX's gradient writes one for the partition function and one for the label's logit, and adds
    them.

    Args:
        logits: (N, V), any float dtype; computed in float32.
        label_ids: int32 (N,).

    Returns:
        float32 (N,).
    """
    return _cross_entropy(logits, label_ids)[0]


@custom_function
def _cross_entropy(logits: mx.array, label_ids: mx.array) -> tuple[mx.array, mx.array]:
    """Return the losses, and the logarithms of the partition functions for the derivative."""
    total = mx.logsumexp(logits.astype(mx.float32), axis=-1)
    own = mx.take_along_axis(logits, label_ids[:, None], axis=-1)[:, 0]
    return total - own.astype(mx.float32), total


@_cross_entropy.vjp
def _cross_entropy_vjp(
    primals: tuple[mx.array, mx.array],
    cotangents: tuple[mx.array, mx.array],
    outputs: tuple[mx.array, mx.array],
) -> tuple[mx.array, mx.array]:
    logits, label_ids = primals
    probabilities = mx.exp(logits.astype(mx.float32) - outputs[1][:, None])
    is_label = mx.arange(logits.shape[-1]) == label_ids[:, None]
    gradient = (probabilities - is_label) * cotangents[0][:, None]
    return gradient.astype(logits.dtype), mx.zeros_like(label_ids)
