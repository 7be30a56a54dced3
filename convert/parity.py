"""Our logits against those of transformers, where PyTorch is installed."""

from importlib.util import find_spec
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.device import full_precision
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier
from mlx_finbert.tokenizer import Tokenizer

TEXTS = [
    "",
    "Profit rose.",
    "Operating loss narrowed to EUR 1.2 mn from EUR 3.4 mn a year earlier.",
    "The board did not rule out a cut of the dividend, and the outlook was withdrawn.",
    "Ø, ß, 株価 and €: net sales 12 345 678",
    "The annual general meeting will be held in Helsinki on 4 May. " * 40,
]


def require_torch() -> None:
    """Refuse `--verify` where there is nothing to compare with."""
    if find_spec("torch") is None:
        raise InputError("--verify needs PyTorch, which nothing else here does: pip install torch")


def logits_difference(model: Classifier, tokenizer: Tokenizer, reference: Path) -> float:
    """Largest absolute difference of a logit over a few texts, padded together.

    Args:
        model, tokenizer: ours.
        reference: the checkpoint folder that transformers reads.
    """
    import torch
    import transformers

    twin = getattr(transformers, type(model).__name__).from_pretrained(
        reference, num_labels=model.args.num_labels, dtype=torch.float32
    )
    ids, mask = inputs(tokenizer)
    with torch.no_grad():
        theirs = twin.eval()(torch.tensor(ids).long(), torch.tensor(mask).long()).logits.numpy()
    return float(np.abs(own_logits(model, tokenizer) - theirs).max())


def own_logits(model: Classifier, tokenizer: Tokenizer) -> np.ndarray:
    """What a model of ours says to the texts, float32 (6, num_labels)."""
    ids, mask = inputs(tokenizer)
    with full_precision():
        return np.array(model(mx.array(ids), mx.array(mask)).astype(mx.float32))


def inputs(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask of the texts, int32 (6, L)."""
    rows = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="np")
    return rows["input_ids"].astype(np.int32), rows["attention_mask"].astype(np.int32)
