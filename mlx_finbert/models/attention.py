"""Multi-head attention over a padded batch, shared by the model families."""

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.device import on_linux_cpu
from mlx_finbert.models.dropout import Dropout
from mlx_finbert.models.functions import Linear, attention_probabilities, linear


def padding_mask(attention_mask: mx.array) -> mx.array:
    """The mask that every layer of one forward pass shares.

    Args:
        attention_mask: (B, L), 1 for a token and 0 for padding, any dtype.

    Returns:
        bool (B, 1, 1, L). Boolean because `scaled_dot_product_attention` adds any other dtype to
        the scores, and because a row that is all padding then still gives finite numbers.
    """
    return (attention_mask != 0)[..., None, None, :]


def project(x: mx.array, linears: Sequence[nn.Linear]) -> list[mx.array]:
    """Several linear layers of the same input, in one product where all are plain.

    With adapters or packed weights each has a product of its own.
    """
    if any(type(module) is not Linear for module in linears):
        return [module(x) for module in linears]
    weight = mx.concatenate([module.weight for module in linears])
    bias = mx.concatenate([module.bias for module in linears])
    return mx.split(linear(x, weight, bias), len(linears), axis=-1)


def attend(
    queries: mx.array,
    keys: mx.array,
    values: mx.array,
    mask: mx.array,
    num_heads: int,
    dropout: Dropout,
) -> mx.array:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2).

    Args:
        queries: (B, Q, hidden_size), before the split into heads.
        keys, values: (B, L, hidden_size).
        mask: bool (B, 1, 1, L), False where a key is padding.
        num_heads: divides hidden_size.
        dropout: of the attention probabilities.

    Returns:
        (B, Q, hidden_size) in the dtype of the inputs.
    """
    hidden_size = queries.shape[-1]
    scale = (hidden_size // num_heads) ** -0.5
    q, k, v = (
        mx.unflatten(x, -1, (num_heads, -1)).swapaxes(-3, -2) for x in (queries, keys, values)
    )
    if dropout.is_on or on_linux_cpu():
        # The fused kernel has no dropout on the probabilities, and on a CPU it is not fused.
        scores = (q * scale) @ k.swapaxes(-1, -2)
        context = dropout(attention_probabilities(scores, mask)) @ v
    else:
        context = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask)
    return context.swapaxes(-3, -2).flatten(-2)
