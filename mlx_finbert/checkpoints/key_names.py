"""The key names of a checkpoint's tensors, brought to those of our models."""

import re
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import Weights
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier, family_of

BUFFERS = ("position_ids", "token_type_ids")

WRAPPERS = re.compile(
    r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
"""Modules that PyTorch's tools put around others, anywhere in a name."""

BARE_PREFIX = re.compile(r"((module|model|auto_model|encoder|backbone|net|\d+)\.)*")
"""What may precede the names of an encoder that do not say its family."""

LOSS = re.compile(r"(^|\.)\w*(loss|criterion)\w*\.|(^|\.)(class_weights?|pos_weight)$")

OTHER_TOOLS = (
    (
        re.compile(r"\.(lora_\w+|base_layer|modules_to_save)\."),
        "is of a PEFT adapter: merge it into its model in Python, model.merge_and_unload(), and"
        " save that",
    ),
    (
        re.compile(r"\.(SCB|absmax|quant_map|quant_state\..*|qweight|qzeros|g_idx)$"),
        "is of weights that another tool has quantized: take the checkpoint before that",
    ),
)
"""Names of tensors that tell where they come from, and what to do about it."""


def rename(
    weights: Weights, config: dict[str, Any], source: Path, *, encoder_alone: bool = False
) -> Weights:
    """Today's key names: old names of layer norms, wrappers and missing prefixes are mended.

    Args:
        weights: as read.
        config: of the checkpoint.
        source: begins a message.
        encoder_alone: whether the head is to be ignored, wherever it is.

    Raises:
        InputError: where two tensors get one name, or some lie outside the module that has the
            encoder.
    """
    _, model_class = family_of(config)
    named = {key: WRAPPERS.sub("", key) for key in weights}
    outer = outer_prefix(list(named.values()), model_class.prefix, source)
    renamed: Weights = {}
    for key, name in named.items():
        within = name.startswith(outer) or is_leftover(name, model_class)
        if not within and not encoder_alone:
            raise InputError(
                f"{source}: the tensor {key} is not under {outer!r}, where the encoder is: bring"
                f" all names to those of {model_class.__name__}, or take the encoder alone"
                " (new_head=True, --new-head)"
            )
        name = name.removeprefix(outer)
        if name.endswith((".gamma", ".beta")):
            name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
        if name.startswith(("embeddings.", "encoder.", "transformer.", "pooler.")):
            name = model_class.prefix + name
        if name in renamed:
            raise InputError(f"{source} has the tensor {name} twice, once as {key}: remove one")
        renamed[name] = weights[key]
    return renamed


def outer_prefix(keys: list[str], own: str, source: Path) -> str:
    """What a training script's modules put before the names of a model, told by its embeddings.

    Args:
        keys: of all tensors.
        own: the prefix that a classifier of the family gives its encoder.
        source: begins a message.

    Raises:
        InputError: where there are several encoders.
    """
    words = re.compile(rf"((?:[^.]+\.)*?)({re.escape(own)})?embeddings\.word_embeddings\.weight")
    found = [match.groups() for key in keys if (match := words.fullmatch(key))]
    if len(found) > 1:
        names = ", ".join(outer + (inner or "") for outer, inner in found)
        raise InputError(f"{source} has {len(found)} encoders ({names}): save one of them alone")
    for outer, inner in found:
        # Another family's name before the embeddings is not for us to remove.
        if inner or BARE_PREFIX.fullmatch(outer):
            return outer
    return ""


def is_leftover(key: str, model_class: type[Classifier]) -> bool:
    """Whether a tensor is of pretraining, of a loss or of an old version: not needed here."""
    is_loss = LOSS.search(key) and not key.startswith(model_class.prefix)
    return bool(is_loss) or key.startswith(model_class.pretraining) or key.endswith(BUFFERS)


def other_tool(key: str) -> str | None:
    """What a tensor of another tool's is and what to do, told by its name."""
    return next((said for pattern, said in OTHER_TOOLS if pattern.search(key)), None)
