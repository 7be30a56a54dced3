"""Weights in 8 or 4 bits: MLX's affine quantization, for a model that is to be used.

Of each row of a matrix, every group of `group_size` numbers is stored as integers of `bits` bits,
with a scale and an offset of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier
from mlx_finbert.settings import require

BITS = (8, 4)
GROUP_SIZES = (32, 64, 128)
"""Those that MLX has kernels for."""
DEFAULT_GROUP_SIZE = 64


@dataclass(frozen=True)
class Quantization:
    """How a model is quantized: `quantization` in its `config.json`, in mlx-lm's form."""

    bits: int
    group_size: int = DEFAULT_GROUP_SIZE

    def __post_init__(self) -> None:
        require(self.bits in BITS, "--quantize", self.bits, "8 or 4")
        require(self.group_size in GROUP_SIZES, "--group-size", self.group_size, "32, 64 or 128")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self | None:
        """What a config says, or None for a model that is not quantized.

        Raises:
            InputError: for a quantization of another kind than ours.
        """
        found = config.get("quantization")
        if found is None:
            return None
        try:
            # mlx-lm's config names the mode since it has several.
            ours = {k: v for k, v in found.items() if (k, v) != ("mode", "affine")}
            return cls(**ours)
        except (AttributeError, TypeError, InputError):
            raise InputError(
                f"config.json: quantization = {found!r} is not supported: only bits of 8 or 4 and a"
                " group_size of 32, 64 or 128, the same for all weights"
            ) from None


def unpacked(module: nn.QuantizedLinear | nn.QuantizedEmbedding) -> mx.array:
    """The matrix that a quantized module stands for."""
    return mx.dequantize(
        module.weight, module.scales, module.biases, module.group_size, module.bits
    )


def quantize(model: Classifier, quantization: Quantization) -> None:
    """`pack`, computed at once: what is pending could be computed by this thread alone."""
    pack(model, quantization)
    mx.eval(model.parameters())


def pack(model: Classifier, quantization: Quantization) -> None:
    """Pack the encoder's linear layers and its table of words, in place.

    The head keeps its precision, as do layer norms and the small tables of positions and segments.
    Packing the words saves most (of MiniLM's 91 MB they are 47) and was measured to add next to
    nothing to the change of a logit.

    Raises:
        InputError: where a matrix has rows that the group size does not divide.
    """
    bits, group_size = quantization.bits, quantization.group_size
    packed = []
    for name, module in quantizable(model):
        width = module.weight.shape[1]
        if width % group_size:
            raise InputError(
                f"{name} has rows of {width} numbers, which a group size of {group_size} does not"
                " divide: another --group-size (32, 64 or 128) may"
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
    """How a model is quantized, or None where it is not."""
    for module in model.modules():
        if isinstance(module, nn.QuantizedLinear):
            return Quantization(module.bits, module.group_size)
    return None
