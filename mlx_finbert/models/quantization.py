"""Weights in 8 or 4 bits, for inference: MLX's affine quantization.

In each row of a matrix, every group of `group_size` numbers is stored as integers of `bits` bits,
with its own scale and offset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from mlx_finbert.errors import InputError, quoted
from mlx_finbert.models import Classifier
from mlx_finbert.settings import require

BITS = (8, 4)
GROUP_SIZES = (32, 64, 128)
"""The group sizes for which MLX has kernels."""
DEFAULT_GROUP_SIZE = 64


@dataclass(frozen=True)
class Quantization:
    """The quantization of a model: `quantization` in its `config.json`, in mlx-lm's form."""

    bits: int
    group_size: int = DEFAULT_GROUP_SIZE

    def __post_init__(self) -> None:
        rule = "must be 32, 64 or 128"
        require(self.bits in BITS, "quantize", self.bits, "must be 8 or 4")
        require(self.group_size in GROUP_SIZES, "group_size", self.group_size, rule)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self | None:
        """Read the quantization of a config; None for a model that is not quantized.

        Raises:
            InputError: for an unsupported quantization.
        """
        found = config.get("quantization")
        if found is None:
            return None
        try:
            # Newer versions of mlx-lm have several modes and write their name.
            ours = {k: v for k, v in found.items() if (k, v) != ("mode", "affine")}
            if not all(type(value) is int for value in ours.values()):
                raise TypeError
            return cls(**ours)
        except (AttributeError, TypeError, InputError):
            raise InputError(
                f"config.json: quantization = {quoted(found)} is not supported: bits must"
                " be 8 or 4 and group_size 32, 64 or 128, the same for all weights"
            ) from None


def unpacked(module: nn.QuantizedLinear | nn.QuantizedEmbedding) -> mx.array:
    """The full-precision matrix of a quantized module."""
    return mx.dequantize(
        module.weight, module.scales, module.biases, module.group_size, module.bits
    )


def quantize(model: Classifier, quantization: Quantization) -> None:
    """Quantize a model in place; evaluate it now, since another thread could not."""
    pack(model, quantization)
    mx.eval(model.parameters())


def pack(model: Classifier, quantization: Quantization) -> None:
    """Pack the encoder's linear layers and its word embeddings, in place; nothing is evaluated.

    The head, the layer norms and the small tables of positions and segments keep their precision.
    Packing the word embeddings saves most (47 of MiniLM's 91 MB), and in measurements it added
    almost nothing to the change of a logit.

    Raises:
        InputError: if the row length of a matrix is not a multiple of the group size.
    """
    bits, group_size = quantization.bits, quantization.group_size
    packed = []
    for name, module in quantizable(model):
        width = module.weight.shape[1]
        if width % group_size:
            raise InputError(
                f"{name} has rows of {width} numbers, which is not a multiple of the group size,"
                f" {group_size}: try another `group_size` (32, 64 or 128)"
            )
        if isinstance(module, nn.Linear):
            packed.append((name, nn.QuantizedLinear.from_linear(module, group_size, bits)))
        else:
            packed.append((name, nn.QuantizedEmbedding.from_embedding(module, group_size, bits)))
    model.update_modules(tree_unflatten(packed))


def quantizable(model: Classifier) -> Iterator[tuple[str, nn.Linear | nn.Embedding]]:
    """The modules that `quantize` packs, by name."""
    for name, module in model.named_modules():
        is_head = f"{name}.".startswith(model.head)
        is_words = name.endswith("embeddings.word_embeddings")
        if is_words or (isinstance(module, nn.Linear) and not is_head):
            yield name, module


def quantization_of(model: Classifier) -> Quantization | None:
    """The quantization of a model; None if it is not quantized."""
    for module in model.modules():
        if isinstance(module, nn.QuantizedLinear):
            return Quantization(module.bits, module.group_size)
    return None
