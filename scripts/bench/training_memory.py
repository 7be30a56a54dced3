"""The training runs of memory.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import prepared  # noqa: F401

from mlx_finbert.backend.process import prefer_memory
from mlx_finbert.data import LabelledTexts, Splits
from mlx_finbert.distributed import ranks
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.prefetch import background
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.prepare import load_model, make_loaders, make_trainer, width_of

LABELS = ["negative", "neutral", "positive"]
STEPS = 3
SMALLEST = 1, 8
"""Rows and tokens of the smallest batch, whose memory is mostly that of the model itself."""


@dataclass(frozen=True)
class Training:
    """A model and the shape of its batches."""

    model: str
    batch_size: int
    length: int
    checkpointing: bool = False

    @property
    def name(self) -> str:
        again = "-checkpointing" if self.checkpointing else ""
        return f"{self.model}-{self.batch_size}x{self.length}{again}"

    @property
    def num_tokens(self) -> int:
        return self.batch_size * self.length

    @property
    def smallest(self) -> "Training":
        return Training(self.model, *SMALLEST, self.checkpointing)


def train(folder: Path, case: Training) -> int:
    """Train for three steps from a folder's checkpoint; return the number of parameters."""
    if case.checkpointing:
        prefer_memory()
    settings = TrainSettings(
        model=str(folder),
        batch_size=case.batch_size,
        max_steps=STEPS,
        gradient_checkpointing=case.checkpointing,
    )
    model, tokenizer, is_fresh = load_model(settings, LABELS)
    settings = settings.for_model(width_of(model), is_fresh)
    splits = made_up_splits(words_of(tokenizer), case)
    with background() as thread:
        loaders = make_loaders(settings, splits, model, tokenizer, ranks(), thread)
    # Of the whole table of words: a smaller one is trained.
    parameters = sum(value.size for value in named_parameters(model).values())
    trainer, _ = make_trainer(settings, model, loaders, ranks())
    if (end := trainer.train()) != "finished":
        raise RuntimeError(f"training ended early: {end}")
    return parameters


def made_up_splits(words: list[str], case: Training) -> Splits:
    """Rows of the case's length that contain every word once; the first batch is for validation."""
    count = case.length - 2
    texts = [" ".join(words[i : i + count]) for i in range(0, len(words) - count, count)]
    labels = np.arange(len(texts), dtype=np.int32) % len(LABELS)
    rows = LabelledTexts(texts, labels, LABELS, "made up")
    return Splits(rows, rows.take(np.arange(case.batch_size), "validation"), None, [])


def words_of(tokenizer: Any) -> list[str]:
    """The words in a vocabulary."""
    return sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
