"""Multi-head attention over a padded batch, shared by the model families."""

import mlx.core as mx

from mlx_finbert.models.dropout import Dropout


def padding_mask(attention_mask: mx.array) -> mx.array:
    """The mask that every layer of one forward pass shares.

    Args:
        attention_mask: (B, L), 1 for a token and 0 for padding, any dtype.

    Returns:
        bool (B, 1, 1, L). Boolean because `scaled_dot_product_attention` adds any other dtype to
        the scores, and because a row that is all padding then still gives finite numbers.
    """
    return (attention_mask != 0)[:, None, None, :]


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
        queries, keys, values: (B, L, hidden_size), before the split into heads.
        mask: bool (B, 1, 1, L), False where a key is padding.
        num_heads: divides hidden_size.
        dropout: of the attention probabilities.

    Returns:
        (B, L, hidden_size) in the dtype of the inputs.
    """
    batch, length, hidden_size = queries.shape
    scale = (hidden_size // num_heads) ** -0.5
    q, k, v = (
        x.reshape(batch, length, num_heads, -1).swapaxes(1, 2) for x in (queries, keys, values)
    )
    if dropout.is_on:
        # The fused kernel has no dropout on the probabilities, so here the product is spelled out.
        scores = (q * scale) @ k.swapaxes(-1, -2)
        scores = mx.where(mask, scores, mx.finfo(scores.dtype).min)
        context = dropout(mx.softmax(scores, axis=-1, precise=True)) @ v
    else:
        context = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask)
    return context.swapaxes(1, 2).reshape(batch, length, hidden_size)
