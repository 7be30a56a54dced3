"""Converts the key names of a checkpoint's tensors to those of our models."""

import re
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import Weights
from mlx_finbert.errors import InputError, shown
from mlx_finbert.models import Classifier, family_of
from mlx_finbert.models.masked_lm import MaskedLM

BUFFERS = ("position_ids", "token_type_ids")

WRAPPERS = re.compile(
    r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
"""Wrapper modules that PyTorch's tools add, anywhere in a name."""

BARE_PREFIX = re.compile(r"((module|model|auto_model|encoder|backbone|net|\d+)\.)*")
"""Possible prefixes of an encoder's names that do not include its family."""

LOSS = re.compile(r"(^|\.)\w*(loss|criterion)\w*\.|(^|\.)(class_weights?|pos_weight)$")

OTHER_TOOLS = (
    (
        re.compile(r"\.(lora_\w+|base_layer|modules_to_save)\."),
        "belongs to a PEFT adapter; merge it in Python with model.merge_and_unload() and save the"
        " merged model",
    ),
    (
        re.compile(r"\.(SCB|absmax|quant_map|quant_state\..*|qweight|qzeros|g_idx)$"),
        "was quantized by another tool; use the checkpoint from before quantization",
    ),
)
"""Tensor names that identify another tool's checkpoint, with the error message for each."""


def rename(
    weights: Weights, config: dict[str, Any], source: Path, *, encoder_alone: bool = False
) -> Weights:
    """Convert to today's key names: old layer-norm names, wrappers and missing prefixes are fixed.

    Args:
        weights: as read.
        config: the checkpoint's config.
        source: the start of an error message.
        encoder_alone: whether to ignore the head, wherever it is.

    Raises:
        InputError: if two tensors get the same name, or some lie outside the module that contains
            the encoder.
    """
    _, model_class = family_of(config)
    named = {key: WRAPPERS.sub("", key) for key in weights}
    outer = outer_prefix(list(named.values()), model_class.prefix, source)
    renamed: Weights = {}
    for key, name in named.items():
        within = name.startswith(outer) or is_leftover(name, model_class)
        if not within and not encoder_alone:
            raise InputError(
                f"{source}: the tensor {shown(key)} is not under {outer!r}, where the encoder is;"
                f" rename all tensors as in {model_class.__name__}, or use the encoder alone"
                " (`new_head=True`)"
            )
        name = name.removeprefix(outer)
        if name.endswith((".gamma", ".beta")):
            name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
        if name.startswith(("embeddings.", "encoder.", "transformer.", "pooler.")):
            name = model_class.prefix + name
        if name in renamed:
            raise InputError(
                f"{source} has the tensor {shown(name)} twice, once as {shown(key)}; remove one"
            )
        renamed[name] = weights[key]
    return renamed


def outer_prefix(keys: list[str], own: str, source: Path) -> str:
    """Find the prefix that a training script added to a model's key names, by its embeddings.

    Args:
        keys: names of all tensors.
        own: the prefix that a classifier of this family gives its encoder.
        source: the start of an error message.

    Raises:
        InputError: if there are several encoders.
    """
    words = re.compile(rf"((?:[^.]+\.)*?)({re.escape(own)})?embeddings\.word_embeddings\.weight")
    found = [match.groups() for key in keys if (match := words.fullmatch(key))]
    if len(found) > 1:
        names = ", ".join(outer + (inner or "") for outer, inner in found)
        raise InputError(f"{source} has {len(found)} encoders ({names}); save one of them alone")
    for outer, inner in found:
        # A prefix that names another family must stay, so that loading fails.
        if inner or BARE_PREFIX.fullmatch(outer):
            return outer
    return ""


def is_leftover(key: str, model_class: type[Classifier] | type[MaskedLM]) -> bool:
    """Whether a model does not need a tensor: from pretraining, a loss or an old version."""
    is_loss = LOSS.search(key) and not key.startswith(model_class.prefix)
    return bool(is_loss) or key.startswith(model_class.pretraining) or key.endswith(BUFFERS)


def other_tool(key: str) -> str | None:
    """Recognise a tensor of another tool by its name; the message says what to do."""
    return next((said for pattern, said in OTHER_TOOLS if pattern.search(key)), None)
