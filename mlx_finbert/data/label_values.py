"""Checks of the raw values of a label column: rows without a label, and columns without classes."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.labels import LABELS_SHOWN, canonical, label_map_of, plain_number

UNLABELLED = "-1"
"""The label that GLUE and other published data sets use in a split without labels."""

QUANTITY = re.compile(
    r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]\d+)?\s?%?", flags=re.ASCII | re.IGNORECASE
)
INTEGERS = re.compile(r"-?\d+(\s*[,;|]\s*-?\d+)+", flags=re.ASCII)
LITERAL = re.compile(r"\[\]|\[.*[,'\"\d].*\]|\{\}|\{.*:.*\}", flags=re.DOTALL)
"""A list or a dictionary as written by Python or JSON."""


def label_text(value: Any) -> str | None:
    """Convert a raw label to text.

    Returns:
        A name, or a number in its shortest form (`1` for 1.0); "" if there is no label (null, NaN
        or blank); None if the value cannot be a label.
    """
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return None
    # Lists and dictionaries are recognised later by their text, as in CSV.
    known = str | int | float | Decimal | list | tuple | dict
    return plain_number(str(value).strip()) if isinstance(value, known) else None


def without_label(
    values: Sequence[str | None], splits: Sequence[Any] | None, is_named: bool
) -> np.ndarray:
    """Find the rows without a label: those with a blank cell, or with -1 if that means none.

    -1 means none in a split that contains no other value, unless -1 is a label in another split (as
    in data labelled -1, 0 and 1) or the user names it.

    Args:
        values: N results of `label_text`.
        splits: The split of each row; None if all rows are one split.
        is_named: Whether the user names -1.

    Returns:
        bool (N,).
    """
    splits = splits or [None] * len(values)
    missing = np.array([value == "" for value in values], bool)
    found: dict[Any, set[str]] = {}
    for value, split in zip(values, splits, strict=True):
        if value:
            found.setdefault(split, set()).add(value)
    empty = {split for split, of_split in found.items() if of_split == {UNLABELLED}}
    is_label = any(UNLABELLED in found[split] for split in found.keys() - empty)
    if is_named or is_label:
        return missing
    return missing | np.array([split in empty for split in splits], bool)


def unlabelled_notes(
    name: str, values: Sequence[str | None], missing: np.ndarray, splits: Sequence[Any] | None
) -> list[str]:
    """Return a sentence for each split that has rows without a label.

    Args:
        name: The name of the source.
        values: N results of `label_text`.
        missing: bool (N,), from `without_label`.
        splits: The split of each row; None if all rows are one split.
    """
    rows_of: dict[Any, list[int]] = {}
    for i, split in enumerate(splits or [None] * len(values)):
        rows_of.setdefault(split, []).append(i)
    notes = []
    for split, rows in rows_of.items():
        count = int(missing[rows].sum())
        of = f"{split} rows" if split else "rows of no split" if splits else "rows"
        if count == len(rows):
            dashes = " (-1 means none)" if UNLABELLED in {values[i] for i in rows} else ""
            notes.append(
                f"{name}: none of its {count:,} {of} has a label{dashes}; they are skipped"
            )
        elif count:
            notes.append(f"{name}: {count:,} of {len(rows):,} {of} have no label and are skipped")
    return notes


def lists_of_labels(values: Sequence[str], labels: Iterable[str]) -> set[str]:
    """Find values that are several labels: `[0, 3]`, `1;2`, or `fear, joy` if both are labels.

    Args:
        values: The values that the user does not name.
        labels: All values and all names.
    """
    known = set(map(canonical, labels))
    found = set()
    for value in values:
        parts = [canonical(part) for part in re.split("[,;|]", value)]
        is_series = INTEGERS.fullmatch(value) or (len(parts) > 1 and known.issuperset(parts))
        # `1,2` alone could be a number.
        if LITERAL.fullmatch(value) or (is_series and not QUANTITY.fullmatch(value)):
            found.add(value)
    if any(INTEGERS.fullmatch(value) for value in found):
        found |= {value for value in values if INTEGERS.fullmatch(value)}
    return found


def refuse_quantities(unnamed: Mapping[str, str], first_row: Mapping[str, str]) -> None:
    """Refuse a column of numbers that are not all integers.

    Args:
        unnamed: The values that the user does not name, with the place where each occurs first.
        first_row: The same for all values.
    """
    found = [value for value in unnamed if is_quantity(value)]
    if not found or not all(is_integer(value) or is_quantity(value) for value in first_row):
        return
    what = "the target of a regression"
    if INTEGERS.fullmatch(found[0]):
        what += ", or two labels,"
    names = f", or name each with {label_map_of(list(first_row))}"
    raise InputError(
        f"{first_row[found[0]]}: {found[0]!r} is {what} and not a class, because the column"
        " contains numbers that are not integers: replace them with classes"
        + (names if len(first_row) <= LABELS_SHOWN else "")
    )


def is_integer(text: str) -> bool:
    """Whether a label is an integer in its shortest form."""
    return re.fullmatch(r"0|-?[1-9]\d*", text, flags=re.ASCII) is not None


def is_quantity(text: str) -> bool:
    """Whether a label is a number but not an integer: `0.35`, `1,5`, `3e-05`, `12 %`."""
    return QUANTITY.fullmatch(text) is not None and re.search("[.,e%]", text.lower()) is not None
