"""Multi-head attention over a padded batch, shared by the model families."""

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.dropout import Dropout
from mlx_finbert.models.packing import Packing


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = Dropout(dropout)
        """Dropout of the attention probabilities."""

    def __call__(
        self,
        queries: mx.array,
        keys: mx.array,
        values: mx.array,
        packing: Packing,
        first_only: bool = False,
    ) -> mx.array:
        """Attend from each query to the tokens of its own example.

        Args:
            queries: (B, Q, hidden_size).
            keys, values: (B, L, hidden_size).
            packing: which keys each query sees.
            first_only: whether the queries are only the examples' first tokens, Q = E.

        Returns:
            (B, Q, hidden_size) in the dtype of the inputs.
        """
        queries, keys, values = (self.split_heads(x) for x in (queries, keys, values))
        scale = queries.shape[-1] ** -0.5
        mask = packing.first_mask if first_only else packing.mask
        if self.dropout.is_on:
            # The fused kernel has no dropout on the probabilities.
            scores = queries @ keys.swapaxes(-1, -2) * scale
            scores = mx.where(mask, scores, mx.finfo(scores.dtype).min)
            context = self.dropout(mx.softmax(scores, axis=-1, precise=True)) @ values
        else:
            context = mx.fast.scaled_dot_product_attention(
                queries, keys, values, scale=scale, mask=mask
            )
        return context.swapaxes(-3, -2).flatten(-2)

    def split_heads(self, x: mx.array) -> mx.array:
        """Reshape (B, L, hidden_size) to (B, num_heads, L, head_size)."""
        return mx.unflatten(x, -1, (self.num_heads, -1)).swapaxes(-3, -2)
