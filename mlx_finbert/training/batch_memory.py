"""Refuses a batch that cannot fit in the machine's memory, before training starts.

A process that asks for more memory than there is ends without a word. The estimate is what no way
to compute can do without: in half precision, the tokens' hidden states between the trained layers.
Batches that pass may still be too large, but a batch of a million rows does not.
"""

import os

import numpy as np

from mlx_finbert.data.loader import useful_rows
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier

BYTES = 2
"""The size of a number in half precision."""


def least_memory(tokens: int, model: Classifier, frozen_layers: int) -> int:
    """The bytes that the backward pass needs for a batch of this many tokens, at the least."""
    layers = max(1, len(model.encoder.layer) - frozen_layers)
    return tokens * layers * model.output_layer.weight.shape[-1] * BYTES


def require_batch_fits(
    lengths: np.ndarray,
    batch_size: int,
    at_once: int,
    model: Classifier,
    frozen_layers: int,
    memory: int | None = None,
) -> None:
    """Refuse a batch size whose batches are larger than the memory.

    Args:
        lengths: int (N,), tokens of each training row.
        batch_size: rows per batch, of all processes together.
        at_once: the processes and the parts that a batch is divided among.
        model: the model to train.
        frozen_layers: its lowest layers that are not trained.
        memory: bytes; None for the machine's.

    Raises:
        InputError: names a batch size that fits.
    """
    memory = memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rows = min(useful_rows(batch_size, len(lengths)), len(lengths))
    needed = least_memory(int(lengths.mean() * rows) // at_once, model, frozen_layers)
    if needed <= memory:
        return
    fitting = 1 << max(1, rows * memory // needed // 8).bit_length() - 1
    raise InputError(
        f"`batch_size` is {batch_size:,}: a batch would take more than {needed / 1e9:,.0f} GB, and"
        f" this machine has {memory / 1e9:,.0f} GB: try `batch_size={fitting}` with"
        f" `gradient_accumulation_steps={-(-batch_size // fitting)}`, which trains alike"
    )
