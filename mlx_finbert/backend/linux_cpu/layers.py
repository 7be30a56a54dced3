"""Faster versions of the models' layers for this backend, with the same parameters.

Each is a subclass of the plain layer, and `swap` replaces the layers, as `nn.quantize` does.
"""

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.backend.linux_cpu import arithmetic
from mlx_finbert.backend.linux_cpu.arithmetic import apart, custom_function
from mlx_finbert.backend.linux_cpu.attention import (
    FAR_BELOW,
    as_numbers_again,
    attend_in_blocks,
    has_many_blocks,
)
from mlx_finbert.models import attention, dropout, masked_lm
from mlx_finbert.models.attention import Packing


class Linear(nn.Linear):
    """A linear layer whose gradients have the layout of the weights."""

    def __call__(self, x: mx.array) -> mx.array:
        if x.dtype != mx.float32 or "bias" not in self:
            return super().__call__(x)
        return arithmetic.linear(x, self.weight, self.bias)


class Decoder(masked_lm.Decoder):
    """A decoder whose gradients have the layout of the table."""

    def __call__(self, x: mx.array, table: mx.array, bias: mx.array) -> mx.array:
        if x.dtype != mx.float32:
            return super().__call__(x, table, bias)
        return arithmetic.linear(x, table, bias)


class LayerNorm(nn.LayerNorm):
    """A layer norm with means by BLAS."""

    def __call__(self, x: mx.array) -> mx.array:
        if x.dtype != mx.float32 or "bias" not in self:
            return super().__call__(x)
        return arithmetic.layer_norm(x, self.weight, self.bias, self.eps)


class GELU(nn.GELU):
    """GELU without erf."""

    def __call__(self, x: mx.array) -> mx.array:
        if self._approx != "none":
            return super().__call__(x)
        return arithmetic.gelu(x.astype(mx.float32)).astype(x.dtype)


class QuantizedLinear(nn.QuantizedLinear):
    """A quantized layer that unpacks its matrix: `mx.quantized_matmul` takes 50 times as long here.

    1,024 rows of 384 numbers times 384 x 1,536, 8 bits: 442 and 9 ms on 2 cores of x86_64.
    """

    def __call__(self, x: mx.array) -> mx.array:
        matrix = mx.dequantize(self.weight, self.scales, self.biases, self.group_size, self.bits)
        return mx.addmm(self.bias, x, matrix.T)


class Dropout(dropout.Dropout):
    """Dropout as a product, since a choice for each element takes branches on a CPU."""

    def draw(self, shape: Sequence[int]) -> mx.array:
        return apart(super().draw(shape))

    def __call__(self, x: mx.array) -> mx.array:
        if not self.is_on:
            return x
        return kept(x, self.draw(x.shape), mx.array(self.scale, x.dtype))


class Attention(attention.Attention):
    """Attention in blocks if the scores exceed the cache, since a CPU has no fused kernel."""

    def __call__(
        self,
        queries: mx.array,
        keys: mx.array,
        values: mx.array,
        packing: Packing,
        selected_only: bool = False,
    ) -> mx.array:
        queries, keys, values = (self.split_heads(x) for x in (queries, keys, values))
        scale = queries.shape[-1] ** -0.5
        if not selected_only and has_many_blocks(queries, keys):
            shape = (*queries.shape[:-1], keys.shape[-2])
            keep = self.dropout.draw(shape) if self.dropout.is_on else None
            context = attend_in_blocks(
                queries, keys, values, packing.first_mask, scale, keep, self.dropout.scale
            )
        else:
            mask = packing.first_mask if selected_only else packing.mask
            scores = (queries @ keys.swapaxes(-1, -2)).astype(mx.float32) * scale
            below = (~mask).astype(mx.float32) * FAR_BELOW
            probabilities = arithmetic.softmax(scores + below).astype(queries.dtype)
            context = self.dropout(probabilities) @ values
        return merge_heads(context)

    def split_heads(self, x: mx.array) -> mx.array:
        # One copy here; otherwise each product would copy its factors for BLAS.
        return apart(super().split_heads(x))


FAST: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: Linear,
    nn.LayerNorm: LayerNorm,
    nn.GELU: GELU,
    nn.QuantizedLinear: QuantizedLinear,
    dropout.Dropout: Dropout,
    attention.Attention: Attention,
    masked_lm.Decoder: Decoder,
}


def swap(model: nn.Module) -> None:
    """Replace every layer of a model by its fast version, in place."""
    for module in model.modules():
        module.__class__ = FAST.get(type(module), type(module))


@custom_function
def merge_heads(x: mx.array) -> mx.array:
    """(B, num_heads, L, head_size) to (B, L, hidden_size)."""
    return x.swapaxes(-3, -2).flatten(-2)


@merge_heads.vjp
def merge_heads_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    return apart(mx.unflatten(cotangent, -1, (x.shape[-3], -1)).swapaxes(-3, -2))


@custom_function
def kept(x: mx.array, keep: mx.array, scale: mx.array) -> mx.array:
    """x times the scale where `keep` is True, and zero elsewhere.

    Computed as a product, since a choice for each element takes branches on a CPU.
    """
    return x * (keep.astype(x.dtype) * scale)


@kept.vjp
def kept_vjp(
    primals: tuple[mx.array, mx.array, mx.array], cotangent: mx.array, _: mx.array
) -> tuple[mx.array, mx.array, mx.array]:
    _, keep, scale = primals
    share = as_numbers_again(keep, cotangent.dtype)
    return cotangent * (share * scale), mx.zeros_like(keep), mx.zeros_like(scale)
