"""Compares our logits with those of transformers, if PyTorch is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.errors import InputError, first_line
from mlx_finbert.models import Classifier
from mlx_finbert.models.precision import full_precision

TEXTS = [
    "",
    "Profit rose.",
    "Operating loss narrowed to EUR 1.2 mn from EUR 3.4 mn a year earlier.",
    "The board did not rule out a cut of the dividend, and the outlook was withdrawn.",
    "Ø, ß, 株価 and €: net sales 12 345 678",
    "The annual general meeting will be held in Helsinki on 4 May. " * 40,
]


def require_torch() -> None:
    """Refuse `verify=True` without PyTorch."""
    if find_spec("torch") is None:
        raise InputError("`verify=True` needs PyTorch, which is not installed: pip install torch")


def logits_difference(model: Classifier, tokenizer: Tokenizer, reference: Path) -> float:
    """Largest absolute difference of a logit over a few texts, padded together.

    It is NaN if any logit is.

    Args:
        model, tokenizer: our model and tokenizer.
        reference: the checkpoint folder that transformers reads.

    Raises:
        InputError: if transformers cannot open it, or initialises some of its weights at random.
    """
    import torch

    twin, problem = open_in_transformers(model, reference)
    if problem:
        raise InputError(f"`verify=True`: transformers cannot open {reference}: {problem}")
    ids, mask = inputs(tokenizer)
    with torch.no_grad():
        theirs = twin.eval()(torch.tensor(ids).long(), torch.tensor(mask).long()).logits.numpy()
    return float(np.abs(own_logits(model, tokenizer) - theirs).max())


def open_in_transformers(model: Classifier, folder: Path) -> tuple[Any, str | None]:
    """Open a folder in transformers, in float32; also return why this failed, or None.

    transformers initialises weights at random, with a warning, that it does not find under its own
    names.

    Args:
        model: our model, of the same class and number of labels.
        folder: the checkpoint's folder.
    """
    import torch
    import transformers

    twin_class = getattr(transformers, type(model).__name__)
    try:
        with quiet(transformers.utils.logging):
            twin, found = twin_class.from_pretrained(
                folder,
                num_labels=model.args.num_labels,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:
        # transformers passes on the exceptions of many libraries.
        return None, first_line(error)
    unread = sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})
    return twin, f"it finds no {unread[0]} ({len(unread)} such tensors)" if unread else None


@contextmanager
def quiet(logging: Any) -> Iterator[None]:
    """Silence transformers' progress bars and warnings inside the block."""
    verbosity, progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if progress:
            logging.enable_progress_bar()


def own_logits(model: Classifier, tokenizer: Tokenizer) -> np.ndarray:
    """Compute our model's logits for the texts, float32 (6, num_labels)."""
    ids, mask = inputs(tokenizer)
    with full_precision():
        return np.array(model(mx.array(ids), mx.array(mask)).astype(mx.float32))


def inputs(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask of the texts, int32 (6, L)."""
    rows = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="np")
    return rows["input_ids"].astype(np.int32), rows["attention_mask"].astype(np.int32)
