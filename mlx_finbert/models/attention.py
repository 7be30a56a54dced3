"""Multi-head attention over a padded batch, shared by the model families."""

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.device import apart, on_linux_cpu
from mlx_finbert.models.attention_in_blocks import attend_in_blocks, has_many_blocks
from mlx_finbert.models.dropout import Dropout
from mlx_finbert.models.functions import Linear, attention_probabilities, linear
from mlx_finbert.models.packing import Packing


def project(x: mx.array, linears: Sequence[nn.Linear], num_heads: int) -> list[mx.array]:
    """Several linear layers of the same input, cut into heads.

    In one product. With adapters or packed weights each has a product of its own.

    Args:
        x: (B, L, hidden_size).
        linears: n of them, from hidden_size to hidden_size.
        num_heads: divides hidden_size.

    Returns:
        n arrays (B, num_heads, L, head_size).
    """
    if any(type(module) is not Linear for module in linears):
        return [split_heads(module(x), 1, num_heads)[0] for module in linears]
    weight = mx.concatenate([module.weight for module in linears])
    bias = mx.concatenate([module.bias for module in linears])
    return split_heads(linear(x, weight, bias), len(linears), num_heads)


def self_attention(
    x: mx.array,
    linears: Sequence[nn.Linear],
    num_heads: int,
    packing: Packing,
    first_only: bool,
    dropout: Dropout,
) -> mx.array:
    """`attend` with one layer each for queries, keys and values of (B, L, hidden_size).

    Where `first_only`, the queries are those of the examples' first tokens, which still see all
    tokens of their own: (B, E, hidden_size).
    """
    if not first_only:
        queries, keys, values = project(x, linears, num_heads)
        return attend(queries, keys, values, packing, dropout)
    (queries,) = project(packing.first_tokens(x), linears[:1], num_heads)
    keys, values = project(x, linears[1:], num_heads)
    return attend(queries, keys, values, packing, dropout, first_only=True)


def split_heads(x: mx.array, number: int, num_heads: int) -> list[mx.array]:
    """(B, L, number * hidden_size) to as many arrays (B, num_heads, L, head_size)."""
    x = mx.unflatten(x, -1, (number, num_heads, -1))
    # One copy here, or BLAS would get one of each factor in each product.
    heads = apart(mx.moveaxis(x, -3, 0).swapaxes(-3, -2))
    return [part.squeeze(0) for part in mx.split(heads, number)]


@mx.custom_function
def merge_heads(x: mx.array) -> mx.array:
    """(B, num_heads, L, head_size) to (B, L, hidden_size)."""
    return x.swapaxes(-3, -2).flatten(-2)


@merge_heads.vjp
def merge_heads_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    return split_heads(cotangent, 1, x.shape[-3])[0]


def attend(
    queries: mx.array,
    keys: mx.array,
    values: mx.array,
    packing: Packing,
    dropout: Dropout,
    first_only: bool = False,
) -> mx.array:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2).

    Args:
        queries: (B, num_heads, Q, head_size).
        keys, values: (B, num_heads, L, head_size).
        packing: which keys a query sees.
        dropout: of the attention probabilities.
        first_only: whether the queries are those of the examples' first tokens, Q = E.

    Returns:
        (B, Q, num_heads * head_size) in the dtype of the inputs.
    """
    scale = queries.shape[-1] ** -0.5
    mask = packing.first_mask if first_only else packing.mask
    if not on_linux_cpu() and not dropout.is_on:
        context = mx.fast.scaled_dot_product_attention(
            queries, keys, values, scale=scale, mask=mask
        )
    elif on_linux_cpu() and not first_only and has_many_blocks(queries, keys):
        context = attend_in_blocks(queries, keys, values, packing.first_mask, scale, dropout)
    else:
        # The fused kernel has no dropout on the probabilities, and a CPU has no fused kernel.
        scores = queries @ keys.swapaxes(-1, -2)
        context = dropout(attention_probabilities(scores, mask, scale)) @ values
    return merge_heads(context)
