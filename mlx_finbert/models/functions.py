"""The functions of the layers in the form that is fast where MLX computes."""

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.device import on_linux_cpu
from mlx_finbert.models import arithmetic

FAR_BELOW = -1e9
"""Added to the scores of padding: in float32 next to nothing is left of the score."""


def gelu(x: mx.array) -> mx.array:
    """x Phi(x) (Hendrycks and Gimpel 2016), in the dtype of x."""
    if not on_linux_cpu():
        return nn.gelu(x)
    return arithmetic.gelu(x.astype(mx.float32)).astype(x.dtype)


def linear(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
    """x W^T + b, for x (..., in), W (out, in) and b (out,)."""
    if on_linux_cpu() and x.dtype == mx.float32:
        return arithmetic.linear(x, weight, bias)
    return mx.addmm(bias, x, weight.T)


class Linear(nn.Linear):
    """`nn.Linear` with a bias."""

    def __call__(self, x: mx.array) -> mx.array:
        """(..., in) to (..., out)."""
        return linear(x, self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """`nn.LayerNorm` (Ba et al. 2016) with a weight and a bias."""

    def __call__(self, x: mx.array) -> mx.array:
        """Any shape and dtype; the same out."""
        if on_linux_cpu() and x.dtype == mx.float32:
            return arithmetic.layer_norm(x, self.weight, self.bias, self.eps)
        return super().__call__(x)


def attention_probabilities(scores: mx.array, mask: mx.array, scale: float) -> mx.array:
    """Softmax of the scaled scores, over the keys that are no padding.

    Args:
        scores: (B, heads, queries, keys).
        mask: bool (B, 1, 1 or queries, keys), False where a query does not see a key.
        scale: of the scores.

    Returns:
        As scores; finite in a row without a token too.
    """
    if not on_linux_cpu():
        scores = mx.where(mask, scores * scale, mx.finfo(scores.dtype).min)
        return mx.softmax(scores, axis=-1, precise=True)
    below = (~mask).astype(mx.float32) * FAR_BELOW
    return arithmetic.softmax(scores.astype(mx.float32) * scale + below).astype(scores.dtype)
