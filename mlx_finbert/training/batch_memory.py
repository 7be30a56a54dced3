"""Refuses a batch that cannot fit in the machine's memory, before training starts.

A process that asks for more memory than there is ends without a word. The estimate is what no way
to compute can do without: in half precision, the tokens' hidden states between the trained layers,
and for masked tokens their logits and the gradient of these.
Batches that pass may still be too large, but a batch of a million rows does not.
"""

import os

import numpy as np

from mlx_finbert.data.loader import useful_rows
from mlx_finbert.data.masking import Masking
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier
from mlx_finbert.models.masked_lm import MaskedLM

BYTES = 2
"""The size of a number in half precision."""


def least_memory(tokens: int, model: Classifier, frozen_layers: int) -> int:
    """The bytes that the backward pass needs for a batch of this many tokens, at the least."""
    return states(tokens, model, frozen_layers, model.output_layer.weight.shape[-1])


def least_masked_memory(tokens: int, masked: int, model: MaskedLM, frozen_layers: int) -> int:
    """The same for a masked-language model, with this many of the tokens masked."""
    vocabulary, width = model.table.shape
    return states(tokens, model, frozen_layers, width) + 2 * masked * vocabulary * BYTES


def states(tokens: int, model: Classifier | MaskedLM, frozen_layers: int, width: int) -> int:
    """The bytes of the hidden states between the trained layers."""
    return tokens * max(1, len(model.encoder.layer) - frozen_layers) * width * BYTES


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
    rows = rows_at_once(lengths, batch_size)
    needed = least_memory(int(lengths.mean() * rows) // at_once, model, frozen_layers)
    require_enough(needed, rows, batch_size, memory)


def require_masked_batch_fits(
    rows: int,
    length: int,
    masking: Masking,
    batch_size: int,
    at_once: int,
    model: MaskedLM,
    frozen_layers: int,
    memory: int | None = None,
) -> None:
    """Refuse a batch size of a masked-language model; see `require_batch_fits`.

    Args:
        rows: rows of a batch, which are fewer than `batch_size` if there are no more.
        length: their tokens, on average.
        masking: how the tokens are masked.
        batch_size: rows per batch, of all processes together.
        at_once: the processes that a batch is divided among.
        model: the model to train.
        frozen_layers: its lowest layers that are not trained.
        memory: bytes; None for the machine's.
    """
    tokens, masked = (rows * of // at_once for of in (length, masking.places(length)))
    needed = least_masked_memory(tokens, masked, model, frozen_layers)
    require_enough(needed, rows, batch_size, memory)


def rows_at_once(lengths: np.ndarray, batch_size: int) -> int:
    """The rows of a batch, if there are that many."""
    return min(useful_rows(batch_size, len(lengths)), len(lengths))


def require_enough(needed: int, rows: int, batch_size: int, memory: int | None) -> None:
    """Refuse a batch of these rows that needs more bytes than there are."""
    memory = memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed <= memory:
        return
    fitting = 1 << max(1, rows * memory // needed // 8).bit_length() - 1
    raise InputError(
        f"`batch_size` is {batch_size:,}: a batch would take more than {needed / 1e9:,.0f} GB, and"
        f" this machine has {memory / 1e9:,.0f} GB: try `batch_size={fitting}` with"
        f" `gradient_accumulation_steps={-(-batch_size // fitting)}`, which trains alike"
    )
