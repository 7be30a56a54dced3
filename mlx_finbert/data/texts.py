"""Texts with integer labels and label names, and their construction from raw columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlx_finbert.data.bad_rows import BadRows
from mlx_finbert.data.label_names import Naming, name_rows, naming_notes, ordered
from mlx_finbert.data.label_values import UNLABELLED, label_text, unlabelled_notes, without_label
from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, check_names, match_labels, shown

SPLIT_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development", "eval"),
    "test": ("test", "testing", "holdout"),
}

Where = Callable[[int], str]


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
    label_map: Mapping[str, str] | None = None,
    drop_bad_rows: bool | None = None,
) -> LabelledTexts:
    """Check two raw columns and convert them to labelled texts.

    Rows without a label are left out, and the notes of the result say how many.

    Args:
        texts: Strings.
        labels: Names or integers.
        name: The file or data set, for messages.
        columns: The names of the two columns, for messages.
        label_names: The names that may occur, in order, or the names of the integers from 0.
        splits: The split of each row, if the source marks it.
        licence: The licence of the data.
        where: Returns the name of row i in messages, counted from 0; None gives `NAME, row i + 1`.
        numbers: The numbers of the rows in their files, from 1.
        others: The other columns of each row.
        faults: A clause with place and fault for each row that could not be read.
        label_map: The names by `map_key` of the labels.
        drop_bad_rows: Skip rows that cannot be used instead of refusing them; None for a source
            that does not take `drop_bad_rows`.

    Raises:
        InputError: If rows cannot be used; names the rows (not counting the header) and the column.
    """
    where = where or (lambda i: f"{name}, row {i + 1}")
    if not len(texts) and not faults:
        raise InputError(f"{name} has no rows")
    naming, column = Naming(label_names, label_map), f"column {columns[1]!r}"
    own = None if splits is None else [split_of(str(s).strip().casefold()) for s in splits]
    values = [label_text(label) for label in labels]
    missing = without_label(values, own, naming.knows(UNLABELLED))
    bad = BadRows(name, where, drop_bad_rows, faults)
    labelled: dict[int, str] = {}
    for i in np.flatnonzero(~missing).tolist():
        value = values[i]
        if not isinstance(texts[i], str) or not texts[i].strip():
            bad.add(i, f", column {columns[0]!r}: the text is empty or not a text ({texts[i]!r})")
        elif splits is not None and own is not None and own[i] is None:
            bad.add(i, f": the split {splits[i]!r} is not one of {', '.join(SPLIT_SPELLINGS)}")
        elif value is None:
            bad.add(i, f", {column}: {labels[i]!r} is not a label: neither a name nor a number")
        else:
            labelled[i] = value
    named = name_rows(labelled, naming, column, bad)
    notes = unlabelled_notes(name, values, missing, own) + bad.settle(len(texts))
    rows = bad.without(list(labelled))
    if not rows:
        raise InputError(nothing_left(name, column, notes, UNLABELLED in values))
    occurring = list(dict.fromkeys(labelled[i] for i in rows))
    names = ordered(occurring, named, naming)
    check_names(names)
    ids = {canonical(label): i for i, label in enumerate(names)}
    at = np.arange(1, len(texts) + 1) if numbers is None else np.array(numbers, np.int64)
    return LabelledTexts(
        [texts[i] for i in rows],
        np.array([ids[canonical(named[labelled[i]])] for i in rows], np.int32),
        names,
        name,
        None if own is None else [split for i in rows if (split := own[i])],
        licence,
        at[rows],
        others and [others[i] for i in rows],
        notes + naming_notes(f"{name}, {column}", occurring, named, naming, names),
    )


def nothing_left(name: str, column: str, notes: Sequence[str], minus_one: bool) -> str:
    """Return the error message for a source whose rows are all left out.

    Args:
        name: The name of the source.
        column: The name of the label column in messages.
        notes: The reasons why rows are left out.
        minus_one: Whether the column contains -1, which could be a label.
    """
    map_it = ' name -1 with `label_map="-1=NAME"` if it is a label,' if minus_one else ""
    return (
        f"{name} has no row with a text and a label in {column} ({'; '.join(notes)}): choose"
        f" another `label_column`,{map_it} or score the texts with python -m mlx_finbert.predict"
    )


def relabelled(data: LabelledTexts, label_map: Mapping[str, str]) -> LabelledTexts:
    """Rename the labels of a source that has its own label names.

    Args:
        data: N texts.
        label_map: The new names by `map_key` of the present names; all must be included.
    """
    fresh = from_columns(
        data.texts,
        [data.label_names[i] for i in data.label_ids],
        data.name,
        splits=data.splits,
        label_map=label_map,
    )
    return replace(data, label_ids=fresh.label_ids, label_names=fresh.label_names)


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
