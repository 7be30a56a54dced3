"""Multi-head attention over a padded batch, shared by the model families."""

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.device import apart, on_linux_cpu
from mlx_finbert.models.attention_in_blocks import attend_in_blocks, has_many_blocks
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


def queries_keys_values(
    x: mx.array, linears: Sequence[nn.Linear], num_heads: int, first_only: bool
) -> list[mx.array]:
    """What `attend` takes, from one layer each for queries, keys and values.

    Where `first_only`, the queries are those of the first row, Q = 1; it still sees all rows.
    """
    if not first_only:
        return project(x, linears, num_heads)
    return project(x[..., :1, :], linears[:1], num_heads) + project(x, linears[1:], num_heads)


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
    queries: mx.array, keys: mx.array, values: mx.array, mask: mx.array, dropout: Dropout
) -> mx.array:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2).

    Args:
        queries: (B, num_heads, Q, head_size).
        keys, values: (B, num_heads, L, head_size).
        mask: bool (B, 1, 1, L), False where a key is padding.
        dropout: of the attention probabilities.

    Returns:
        (B, Q, num_heads * head_size) in the dtype of the inputs.
    """
    scale = queries.shape[-1] ** -0.5
    if not on_linux_cpu() and not dropout.is_on:
        context = mx.fast.scaled_dot_product_attention(
            queries, keys, values, scale=scale, mask=mask
        )
    elif on_linux_cpu() and has_many_blocks(queries, keys):
        context = attend_in_blocks(queries, keys, values, mask, scale, dropout)
    else:
        # The fused kernel has no dropout on the probabilities, and a CPU has no fused kernel.
        scores = queries @ keys.swapaxes(-1, -2)
        context = dropout(attention_probabilities(scores, mask, scale)) @ values
    return merge_heads(context)
