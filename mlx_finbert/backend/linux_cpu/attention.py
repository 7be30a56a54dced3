"""Attention for a CPU, computed a few heads at a time, and its derivative.

MLX has no fused attention for a CPU, and the scores of a batch of long rows do not fit into a
cache: 400 MB for 32 rows of 512 tokens and 12 heads.
"""

from collections.abc import Sequence
from math import prod

import mlx.core as mx

from mlx_finbert.backend.linux_cpu.arithmetic import (
    apart,
    custom_function,
    exp_below_max,
    row_sums,
    widened,
)

FAR_BELOW = -1e9
"""Added to the scores of padding; in float32 almost nothing of the score remains."""

BLOCK = 4 * 2**20
"""Bytes of attention scores computed at a time, to fit into the caches of a core."""

FEWEST = 4
"""Minimum number of blocks; for fewer, the additional operations cost more than they save."""


def has_many_blocks(queries: mx.array, keys: mx.array) -> bool:
    """Whether `attend_in_blocks` is faster than all scores at once."""
    return bytes_of_a_head(queries, keys) * prod(queries.shape[:-2]) >= FEWEST * BLOCK


def bytes_of_a_head(queries: mx.array, keys: mx.array) -> int:
    """Size of the scores of one head, in float32."""
    return 4 * queries.shape[-2] * keys.shape[-2]


def attend_in_blocks(
    queries: mx.array,
    keys: mx.array,
    values: mx.array,
    mask: mx.array,
    scale: float,
    keep: mx.array | None = None,
    keep_scale: float = 1.0,
) -> mx.array:
    """Scaled dot-product attention, computed in float32.

    Args:
        queries: (..., B, num_heads, Q, head_size), any float dtype.
        keys, values: (..., B, num_heads, L, head_size), any float dtype.
        mask: bool (..., B, 1, E, L), the tokens of each example of a row; with one example per
            row, all tokens except padding.
        scale: factor of the scores.
        keep: the probabilities that dropout keeps, bool (..., B, num_heads, Q, L); None keeps all.
        keep_scale: factor of the kept probabilities.

    Returns:
        (..., B, num_heads, Q, head_size) in the dtype of the values.
    """
    queries, keys, numbers = (x.astype(mx.float32) for x in (queries, keys, values))
    # An additional column per example masks other examples and padding within the product of
    # queries and keys. Results for queries of padding are never used.
    of_example = mask.swapaxes(-1, -2)
    sees = of_example | ~of_example.any(axis=-1, keepdims=True)
    columns = (*keys.shape[:-1], mask.shape[-2])
    arrays = [
        mx.concatenate([queries * scale, mx.broadcast_to(sees * 1.0, columns)], axis=-1),
        mx.concatenate([keys, mx.broadcast_to(~of_example * FAR_BELOW, columns)], axis=-1),
        # Scale the values rather than the probabilities, which are more numbers.
        numbers if keep is None else numbers * keep_scale,
    ]
    if keep is not None:
        arrays.append(keep)
    arrays = [x.flatten(-4, -3) for x in arrays]
    heads = max(1, BLOCK // bytes_of_a_head(queries, keys))
    context, turn = [], turn_after(arrays)
    for q, k, v, *kept in zip(*(cut(x, heads) for x in arrays), strict=True):
        found, turn, *_ = attend_block(q, k, v, kept, turn)
        context.append(found)
    joined = mx.concatenate(context, axis=-3).astype(values.dtype)
    return mx.unflatten(joined, -3, queries.shape[-4:-2])


def cut(x: mx.array, heads: int) -> list[mx.array]:
    """Split (..., n, L, m) into arrays with this number of heads; the last may have fewer.

    MLX splits into more than ten parts by slices, whose gradients would each be a full-size array.
    """

    @custom_function
    def parts(x: mx.array) -> list[mx.array]:
        return list(mx.split(x, list(range(heads, x.shape[-3], heads)), axis=-3))

    @parts.vjp
    def parts_vjp(_: mx.array, cotangents: list[mx.array], __: list[mx.array]) -> mx.array:
        return mx.concatenate(cotangents, axis=-3)

    found: list[mx.array] = parts(x)
    return found


@custom_function
def attend_block(
    queries: mx.array, keys: mx.array, values: mx.array, keep: list[mx.array], turn: mx.array
) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """softmax(queries keys^T) values, with the probabilities that dropout keeps.

    All arrays except `keep` are float32.

    Args:
        queries: (..., n, Q, head_size + E), scaled; the last E columns are the mask.
        keys: (..., n, L, head_size + E).
        values: (..., n, L, head_size), times dropout's scale.
        keep: a list of one array, bool (..., n, Q, L), False where dropped; empty without dropout.
        turn: (1,), from the previous block; without it MLX would compute all scores first.

    Returns:
        The result, (..., n, Q, head_size); the turn of the next block; and two arrays that the
        derivative uses again: e^(score - the row's maximum), (..., n, Q, L), and 1 / its row sums,
        (..., n, Q, 1).
    """
    (queries,) = mx.depends([queries], [turn])
    e = exp_below_max(queries @ keys.swapaxes(-1, -2))
    inverse = 1 / row_sums(e)
    kept = apart(e * keep[0].astype(e.dtype)) if keep else e
    context = (kept @ values) * inverse
    return context, turn_after([context]), e, inverse


@attend_block.vjp
def attend_block_vjp(
    primals: tuple, cotangents: tuple[mx.array, ...], outputs: tuple[mx.array, ...]
) -> tuple:
    """The derivative, after Dao et al. 2022, appendix B.2; the blocks go in reverse order.

    The gradient of softmax, p (g - sum(p g)), contains a sum over L numbers. This equals the sum of
    the result times its cotangent, over head_size numbers.
    """
    queries, keys, values, keep, _ = primals
    context, _, e, inverse = outputs
    (cotangent,) = mx.depends([cotangents[0]], [cotangents[1]])
    g = cotangent * inverse
    kept = apart(e * as_numbers_again(keep[0], e.dtype)) if keep else e
    common = apart(e * widened(row_sums(g * context), e.shape))
    to_scores = apart(kept * (g @ values.swapaxes(-1, -2)) - common)
    found = [
        to_scores @ keys,
        to_scores.swapaxes(-1, -2) @ queries,
        kept.swapaxes(-1, -2) @ g,
    ]
    # `keep` has no gradient; MLX computes even unused gradients, so these are cheap zeros.
    return *found, [mx.zeros_like(x) for x in keep], turn_after(found)


def as_numbers_again(keep: mx.array, dtype: mx.Dtype) -> mx.array:
    """`keep.astype(dtype)`, for the backward pass only.

    If written as in the forward pass, MLX would compute it once for both passes and hold it in
    between, with up to four times the memory of `keep`.
    """
    return 1 - (~keep).astype(dtype)


def turn_after(arrays: Sequence[mx.array]) -> mx.array:
    """A zero, float32 (1,), that is computed after these arrays."""
    return mx.depends([mx.zeros(1)], list(arrays))[0]
