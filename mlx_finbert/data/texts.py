"""Texts with integer labels and label names, and how raw label values become that."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, check_names

SENTIMENT_ORDER = ["negative", "neutral", "positive"]
SPLIT_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development", "eval"),
    "test": ("test", "testing", "holdout"),
}

Where = Callable[[int], str]

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
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 (N,): each row's number in its file (or its split of a hub data set), from 1, as
    messages count it; 1 to N where none are given."""
    others: list[dict[str, Any]] | None = None
    """The other columns of each row, where the source is a table that has some."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what was left out in reading."""

    def __post_init__(self) -> None:
        if not len(self.numbers):
            self.numbers = np.arange(1, len(self.texts) + 1)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray, name: str) -> "LabelledTexts":
        """The given rows, under a name of their own."""
        return replace(
            self,
            texts=[self.texts[i] for i in rows],
            labels=self.labels[rows],
            name=name,
            splits=None,
            numbers=self.numbers[rows],
            others=self.others and [self.others[i] for i in rows],
        )


def from_columns(
    texts: Sequence[Any],
    labels: Sequence[Any],
    name: str,
    columns: tuple[str, str] = ("text", "label"),
    label_names: Sequence[str] | None = None,
    splits: Sequence[Any] | None = None,
    licence: str = "",
    where: Where | None = None,
    numbers: Sequence[int] | None = None,
    others: list[dict[str, Any]] | None = None,
    faults: Sequence[str] = (),
) -> LabelledTexts:
    """Check two raw columns and make labelled texts of them.

    Args:
        texts: strings.
        labels: names, or integers from 0.
        name: the file or data set, for messages.
        columns: the names of the two columns, for messages.
        label_names: the names of the integers, or the names that may occur.
        splits: each row's own split, where the source marks it.
        licence: of the data.
        where: what to call row i, counted from 0, in messages; `NAME, row i + 1` where None.
        numbers: of the rows in their files, from 1.
        others: the other columns of each row.
        faults: a clause, with its place, on each row that could not be read.

    Raises:
        InputError: names the row (the header not counted) and the column.
    """
    where = where or (lambda i: f"{name}, row {i + 1}")
    if faults:
        raise InputError(faults[0])
    if not len(texts):
        raise InputError(f"{name} has no rows")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InputError(
                f"{where(i)}, column {columns[0]!r}: the text is empty or no text"
                f" ({text!r}); fill it in or remove the row"
            )
    ids, names = encode_labels(labels, columns[1], label_names, name, where)
    own = None if splits is None else [split_name(s, where(i)) for i, s in enumerate(splits)]
    at = np.arange(1, len(texts) + 1) if numbers is None else np.array(numbers, np.int64)
    return LabelledTexts(list(texts), ids, names, name, own, licence, at, others)


def encode_labels(
    values: Sequence[Any],
    column: str,
    label_names: Sequence[str] | None,
    name: str,
    where: Where,
) -> tuple[np.ndarray, list[str]]:
    """Integer labels (int32) and their names from names or integers.

    Names that differ in case or are spellings of one sentiment are one label, called as it is
    first. Without `label_names`, sentiments come in the order negative, neutral, positive,
    integers in their own order, and other names alphabetically.
    """
    spelled: dict[str, str] = {}
    keys = []
    for i, value in enumerate(values):
        text = label_text(value, f"{where(i)}, column {column!r}")
        keys.append(canonical(text))
        spelled.setdefault(keys[-1], text)
    names = list(label_names) if label_names else ordered(spelled, f"{name}, column {column!r}")
    check_names(names)
    ids = {canonical(name): i for i, name in enumerate(names)}
    if not spelled.keys() & ids.keys() and all(map(is_integer, spelled)):
        ids = {str(i): i for i in range(len(names))}
    for i, key in enumerate(keys):
        if key not in ids:
            raise InputError(
                f"{where(i)}, column {column!r}: the label {values[i]!r} is not one of"
                f" {', '.join(names)}; correct the row or --labels"
            )
    return np.array([ids[key] for key in keys], dtype=np.int32), names


def label_text(value: Any, where: str) -> str:
    """A raw label as text; an integer that became a float on the way is an integer again."""
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if not text or text.lower() == "nan":
        raise InputError(f"{where}: {value!r} is no label, neither a name nor an integer")
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def is_integer(text: str) -> bool:
    """Whether a label is written as an integer."""
    return re.fullmatch(r"-?\d+", text) is not None


def ordered(spelled: dict[str, str], where: str) -> list[str]:
    """Names for the labels that occur, in the order of their ids."""
    if len(spelled) > MAX_LABELS:
        raise InputError(
            f"{where} has {len(spelled)} different values, too many for labels:"
            " choose another --label-column or name the labels with --labels"
        )
    if len(spelled) < 2:
        only = ", ".join(spelled.values())
        raise InputError(f"{where} has one label only ({only}): nothing to tell apart")
    if spelled.keys() <= set(SENTIMENT_ORDER):
        return [spelled[name] for name in SENTIMENT_ORDER if name in spelled]
    in_order = sorted(spelled, key=lambda key: (int(key) if is_integer(key) else -1, key))
    return [spelled[key] for key in in_order]


def split_of(spelling: str) -> str | None:
    """`train`, `validation` or `test` for one of the spellings in use, None for another word."""
    return next((s for s, spellings in SPLIT_SPELLINGS.items() if spelling in spellings), None)


def split_name(value: Any, where: str) -> str:
    """`split_of` for a cell of a table, which must be one of the spellings."""
    split = split_of(str(value).strip().casefold())
    if split is None:
        raise InputError(f"{where}: the split {value!r} is not one of {', '.join(SPLIT_SPELLINGS)}")
    return split
