"""Texts with integer labels and label names, and how raw label values become that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, check_names

SENTIMENT_ORDER = ["negative", "neutral", "positive"]
SPLIT_NAMES = ("train", "validation", "test")

MAX_LABELS = 200
"""A column with more values than this is no label column, unless --labels names them."""


@dataclass
class LabelledTexts:
    """N texts, each with one label."""

    texts: list[str]
    labels: np.ndarray
    """int32 (N,), indices into `label_names`."""
    label_names: list[str]
    name: str
    """What to call the data in messages."""
    splits: list[str] | None = None
    """`train`, `validation` or `test` of each row, where the source has splits of its own."""
    licence: str = ""
    notes: list[str] = field(default_factory=list)
    """Sentences about the data that a user should read once."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray, name: str) -> "LabelledTexts":
        """The given rows, under a name of their own."""
        texts = [self.texts[i] for i in rows]
        return LabelledTexts(texts, self.labels[rows], self.label_names, name, None, self.licence)

    def with_labels(self, ids: np.ndarray, label_names: list[str]) -> "LabelledTexts":
        """The same rows with every label i replaced by `ids[i]`."""
        labels = ids[self.labels].astype(np.int32)
        return LabelledTexts(
            self.texts, labels, label_names, self.name, self.splits, self.licence, self.notes
        )


def from_columns(
    texts: Sequence[Any],
    labels: Sequence[Any],
    name: str,
    columns: tuple[str, str] = ("text", "label"),
    label_names: Sequence[str] | None = None,
    splits: Sequence[Any] | None = None,
    licence: str = "",
) -> LabelledTexts:
    """Check two raw columns and make labelled texts of them.

    Args:
        texts: strings.
        labels: names, or integers from 0.
        name: the file or data set, for messages.
        columns: the names of the two columns, for messages.
        label_names: the names of the integers, or the names that may occur.
        splits: each row's own split, where the source marks it.

    Raises:
        InputError: names the row (counted from 1, header not counted) and the column.
    """
    text_column, label_column = columns
    for row, text in enumerate(texts, 1):
        if not isinstance(text, str) or not text.strip():
            raise InputError(
                f"{name}, row {row}, column {text_column!r}: the text is empty or no text"
                f" ({text!r}); fill it in or remove the row"
            )
    if not len(texts):
        raise InputError(f"{name} has no rows")
    ids, names = encode_labels(labels, f"{name}, column {label_column!r}", label_names)
    own = None if splits is None else [split_name(s, i, name) for i, s in enumerate(splits, 1)]
    return LabelledTexts(list(texts), ids, names, name, own, licence)


def encode_labels(
    values: Sequence[Any], where: str, label_names: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Integer labels (int32) and their names from names or integers.

    Without `label_names`, sentiments come in the order negative, neutral, positive, integers in
    their own order, and other names alphabetically.
    """
    keys = [label_key(value, row, where) for row, value in enumerate(values, 1)]
    names = named(set(keys), label_names, where)
    ids = {canonical(name): i for i, name in enumerate(names)}
    if label_names and not set(keys) & ids.keys() and all(key.isdecimal() for key in keys):
        ids = {str(i): i for i in range(len(names))}
    for row, key in enumerate(keys, 1):
        if key not in ids:
            raise InputError(
                f"{where}, row {row}: the label {values[row - 1]!r} is not one of"
                f" {', '.join(names)}; correct the row or --labels"
            )
    return np.array([ids[key] for key in keys], dtype=np.int32), names


def label_key(value: Any, row: int, where: str) -> str:
    """One spelling of a raw label."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, float) or not str(value).strip():
        raise InputError(
            f"{where}, row {row}: {value!r} is no label, neither a name nor an integer"
        )
    return canonical(str(value))


def named(keys: set[str], label_names: Sequence[str] | None, where: str) -> list[str]:
    if label_names:
        check_names(label_names)
        return list(label_names)
    if len(keys) > MAX_LABELS:
        raise InputError(
            f"{where} has {len(keys)} different values, too many for labels:"
            " choose another --label-column or name the labels with --labels"
        )
    if len(keys) < 2:
        raise InputError(f"{where} has one label only ({', '.join(keys)}): nothing to tell apart")
    if keys <= set(SENTIMENT_ORDER):
        return [name for name in SENTIMENT_ORDER if name in keys]
    return sorted(keys, key=lambda key: (int(key) if key.isdecimal() else -1, key))


def split_name(value: Any, row: int, name: str) -> str:
    """`train`, `validation` or `test` from the spellings in use."""
    spelling = str(value).strip().casefold()
    split = {"valid": "validation", "val": "validation", "dev": "validation"}.get(
        spelling, spelling
    )
    if split not in SPLIT_NAMES:
        raise InputError(f"{name}, row {row}: the split {value!r} is not one of {SPLIT_NAMES}")
    return split
