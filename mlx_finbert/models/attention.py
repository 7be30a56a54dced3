"""Multi-head attention, and rows that hold several examples without any effect on each other.

A batch of random sentences, padded to the longest one, is half padding. Packed into rows of about
equal length, the sentences need almost no padding. The results are the same: each token attends
only to tokens of its own example, and positions restart in each example (Krell et al. 2021,
"Efficient Sequence Packing without Cross-contamination").
"""

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.dropout import Dropout


class Packing:
    """Which tokens belong to the same example; made once per forward pass.

    Args:
        attention_mask: int (B, L): 1 for the tokens of a row's first example, 2 for those of the
            second one, and so on; 0 for padding. With one example per row, this is the mask of
            transformers.
        examples: E, the maximum number of examples per row.
        positions: int32 (B, P), the tokens to compute in the last layer; None for the examples'
            first tokens. Only for one example per row.
        states: a list that gets the output of every layer, (B, L, hidden_size); None to compute the
            last layer for the selected tokens only.
    """

    def __init__(
        self,
        attention_mask: mx.array,
        examples: int = 1,
        positions: mx.array | None = None,
        states: list[mx.array] | None = None,
    ) -> None:
        self.examples = examples
        self.states = states
        self.numbers = attention_mask
        self.positions = positions
        # Boolean because `scaled_dot_product_attention` adds any other dtype to the scores, and
        # because a row of padding only then still has finite results.
        self.mask = (attention_mask != 0)[..., None, None, :]
        """bool (B, 1, 1 or L, L), False where a token does not see another one."""
        self.first_mask = self.mask
        """The same for only the selected tokens, bool (B, 1, E, L)."""
        if examples > 1:
            of_example = attention_mask[:, None, :] == mx.arange(1, examples + 1)[:, None]
            self.first_mask = of_example[:, None]
            self.first = of_example.astype(mx.int32).argmax(axis=-1)
            # Padding sees padding, so that every token sees at least one.
            self.mask = attention_mask[:, None, :, None] == attention_mask[:, None, None, :]

    def restarted(self, counts: mx.array) -> mx.array:
        """Restart counts along a row, (L,) or (B, L), at 0 in each example."""
        if self.examples == 1:
            return counts
        counts = mx.broadcast_to(counts, self.numbers.shape)
        before = mx.take_along_axis(counts, self.first, axis=1)
        own = mx.take_along_axis(before, mx.maximum(self.numbers - 1, 0), axis=1)
        return mx.where(self.numbers != 0, counts - own, 0)

    def selected(self, x: mx.array) -> mx.array:
        """Take the tokens that the last layer computes.

        From (B, L, hidden_size), these are the tokens at the positions, (B, P, hidden_size), or
        each example's first token, [CLS], (B, E, hidden_size). For an example that a row does not
        have, this is the row's first token.
        """
        if self.positions is not None:
            return mx.take_along_axis(x, self.positions[..., None], axis=1)
        if self.examples == 1:
            return x[..., :1, :]
        return mx.take_along_axis(x, self.first[..., None], axis=1)


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
        selected_only: bool = False,
    ) -> mx.array:
        """Attend from each query to the tokens of its own example.

        Args:
            queries: (B, Q, hidden_size).
            keys, values: (B, L, hidden_size).
            packing: which keys each query sees.
            selected_only: whether the queries are only the selected tokens, Q = E or P.

        Returns:
            (B, Q, hidden_size) in the dtype of the inputs.
        """
        queries, keys, values = (self.split_heads(x) for x in (queries, keys, values))
        scale = queries.shape[-1] ** -0.5
        mask = packing.first_mask if selected_only else packing.mask
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
