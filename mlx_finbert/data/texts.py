"""Texts with integer labels and label names."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, match_labels, shown

SPLIT_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development", "eval"),
    "test": ("test", "testing", "holdout"),
}


@dataclass
class LabelledTexts:
    """N texts, each with one label."""

    texts: list[str]
    label_ids: np.ndarray
    """int32 (N,), indices into `label_names`."""
    label_names: list[str]
    name: str
    """The name of the data in messages."""
    splits: list[str] | None = None
    """`train`, `validation` or `test` for each row, if the source has its own splits."""
    licence: str = ""
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 (N,): each row's number in its file (or in its split of a hub data set), from 1, as
    used in messages; 1 to N if none are given."""
    others: list[dict[str, Any]] | None = None
    """The other columns of each row, if the source is a table that has some."""
    notes: list[str] = field(default_factory=list)
    """Sentences about rows that were left out and about the interpretation of the labels."""

    def __post_init__(self) -> None:
        if not len(self.numbers):
            self.numbers = np.arange(1, len(self.texts) + 1)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def has_own_splits(self) -> bool:
        """Whether the source marks rows that are not training rows."""
        return bool(self.splits) and set(self.splits or ()) != {"train"}

    def take(self, rows: np.ndarray, name: str) -> "LabelledTexts":
        """Return the given rows under a new name."""
        return replace(
            self,
            texts=[self.texts[i] for i in rows],
            label_ids=self.label_ids[rows],
            name=name,
            splits=None,
            numbers=self.numbers[rows],
            others=self.others and [self.others[i] for i in rows],
        )

    def ids_in(self, model_labels: Sequence[str]) -> np.ndarray:
        """Return the model's id for the label of each row, matched by name.

        Args:
            model_labels: The labels in the order of the model's logits; some may not occur here.

        Returns:
            int32 (N,).

        Raises:
            InputError: If a row has a label that the model lacks.
        """
        occurring = np.unique(self.label_ids)
        known = {canonical(label) for label in model_labels}
        if any(canonical(self.label_names[i]) not in known for i in occurring):
            # `label_map` must also name the labels of rows that were left out.
            occurring = np.arange(len(self.label_names))
        ids = np.zeros(len(self.label_names), np.int32)
        ids[occurring] = match_labels([self.label_names[i] for i in occurring], model_labels)
        return ids[self.label_ids]


def require_trainable(data: LabelledTexts) -> None:
    """Refuse data from which a classifier cannot learn all the labels that it is measured on.

    Raises:
        InputError: If the training rows have fewer than two labels, or the source's validation or
            test rows have a label that the training rows lack.
    """
    splits = np.array(data.splits or ["train"] * len(data))
    learned = np.unique(data.label_ids[splits == "train"])
    if not len(learned):
        raise InputError(f"{data.name} has no labelled training row ({'; '.join(data.notes)})")
    if len(learned) == 1:
        raise InputError(
            f"{data.name}: its training rows have only one label"
            f" ({data.label_names[learned[0]]}): add rows with another label"
        )
    for split in SPLIT_SPELLINGS:
        rows = np.flatnonzero((splits == split) & ~np.isin(data.label_ids, learned))
        if len(rows):
            unknown = shown(data.label_names[i] for i in np.unique(data.label_ids[rows]))
            raise InputError(
                f"{data.name}: no training row is labelled {unknown}, but {len(rows):,} of the"
                f" {split} split are, the first in row {data.numbers[rows[0]]}: correct them, map"
                " them to another label with `label_map`, or skip them by listing the other labels"
                " with `labels` and adding `drop_bad_rows=True`"
            )


def split_of(spelling: str) -> str | None:
    """Return `train`, `validation` or `test` for one of its usual spellings; None otherwise."""
    return next((s for s, spellings in SPLIT_SPELLINGS.items() if spelling in spellings), None)
