"""Rows as a source holds them, and their check, which makes labelled texts of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlx_finbert.data.bad_rows import BadRows
from mlx_finbert.data.label_names import Naming, name_rows, naming_notes, ordered
from mlx_finbert.data.label_values import UNLABELLED, label_text, unlabelled_notes, without_label
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts, split_of
from mlx_finbert.errors import InputError, quoted
from mlx_finbert.labels import canonical, check_names

AS_FOUND = Naming()
"""The labels keep the names that they have."""


@dataclass
class RawRows:
    """The columns of a source. Except for the first two, a list may be empty."""

    texts: list[Any] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    """Names or integers."""
    splits: list[Any] = field(default_factory=list)
    """The split of each row, if the source marks it."""
    where: list[str] = field(default_factory=list)
    """The name of each row in messages; `NAME, row 1` if there are none."""
    numbers: list[int] = field(default_factory=list)
    """The row numbers in the file, from 1; they continue across the shards of a split."""
    others: list[dict[str, Any]] = field(default_factory=list)
    """The columns except text, label and split."""
    class_names: list[str] = field(default_factory=list)
    """The label names, if the source stores names for its integers."""
    faults: list[str] = field(default_factory=list)
    """A clause with place and fault for each row that could not be read."""
    notes: list[str] = field(default_factory=list)
    """Sentences about findings while reading."""

    def add_class_names(self, names: Sequence[str] | None) -> None:
        """Add the stored names of another file or part."""
        self.class_names += [name for name in names or () if name not in self.class_names]

    def labelled(
        self,
        name: str,
        naming: Naming = AS_FOUND,
        columns: tuple[str, str] = ("text", "label"),
        licence: str = "",
        drop_bad_rows: bool | None = None,
    ) -> LabelledTexts:
        """Check the rows and convert them to labelled texts.

        Rows without a label are left out, and the notes of the result say how many.

        Args:
            name: The file or data set, for messages.
            naming: The label names that the user gives, or that the source has.
            columns: The names of the columns of texts and labels, for messages.
            licence: The licence of the data.
            drop_bad_rows: Skip rows that cannot be used instead of refusing them; None for a source
                that does not take `drop_bad_rows`.

        Raises:
            InputError: If rows cannot be used; names the rows (not counting the header) and the
                column.
        """
        if not self.texts and not self.faults:
            raise InputError(f"{name} has no rows")
        column = f"column {columns[1]!r}"
        splits = [split_of(str(s).strip().casefold()) for s in self.splits]
        values = [label_text(label) for label in self.labels]
        missing = without_label(values, splits, naming.knows(UNLABELLED))
        bad = BadRows(name, self._place_in(name), drop_bad_rows, self.faults)
        labels = self._usable(values, splits, missing, columns, bad)
        named = name_rows(labels, naming, column, bad)
        notes = unlabelled_notes(name, values, missing, splits) + bad.settle(len(self.texts))
        rows = bad.without(list(labels))
        if not rows:
            raise InputError(nothing_left(name, column, notes, UNLABELLED in values))
        occurring = list(dict.fromkeys(labels[i] for i in rows))
        names = ordered(occurring, named, naming)
        check_names(names)
        ids = {canonical(label): i for i, label in enumerate(names)}
        numbers = np.array(self.numbers or range(1, len(self.texts) + 1), np.int64)
        naming_told = naming_notes(f"{name}, {column}", occurring, named, naming, names)
        return LabelledTexts(
            [self.texts[i] for i in rows],
            np.array([ids[canonical(named[labels[i]])] for i in rows], np.int32),
            names,
            name,
            [split for i in rows if (split := splits[i])] if splits else None,
            licence,
            numbers[rows],
            [self.others[i] for i in rows] if any(self.others) else None,
            [*self.notes, *notes, *naming_told],
        )

    def _place_in(self, name: str) -> Callable[[int], str]:
        return self.where.__getitem__ if self.where else lambda i: f"{name}, row {i + 1}"

    def _usable(
        self,
        values: Sequence[str | None],
        splits: Sequence[str | None],
        missing: np.ndarray,
        columns: tuple[str, str],
        bad: BadRows,
    ) -> dict[int, str]:
        """Return the labels of the usable rows, by row; the others with a label are bad rows."""
        usable: dict[int, str] = {}
        for i in np.flatnonzero(~missing).tolist():
            text, value = self.texts[i], values[i]
            if not isinstance(text, str) or not text.strip():
                fault = f"the text is empty or not a text ({quoted(text)})"
                bad.add(i, f", column {columns[0]!r}: {fault}")
            elif splits and splits[i] is None:
                known = ", ".join(SPLIT_SPELLINGS)
                bad.add(i, f": the split {quoted(self.splits[i])} is not one of {known}")
            elif value is None:
                fault = f"{quoted(self.labels[i])} is not a label: neither a name nor a number"
                bad.add(i, f", column {columns[1]!r}: {fault}")
            else:
                usable[i] = value
        return usable


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
    labels = [data.label_names[i] for i in data.label_ids]
    rows = RawRows(data.texts, labels, data.splits or [])
    fresh = rows.labelled(data.name, Naming(mapping=label_map))
    return replace(data, label_ids=fresh.label_ids, label_names=fresh.label_names)
