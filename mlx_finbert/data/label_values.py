"""The raw values of a label column: which rows have none, and which columns hold no classes."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.labels import SHOWN, canonical, label_map_of, plain_number

UNLABELLED = "-1"
"""How GLUE and other published data sets fill the label column of a split without labels."""

QUANTITY = re.compile(
    r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]\d+)?\s?%?", flags=re.ASCII | re.IGNORECASE
)
INTEGERS = re.compile(r"-?\d+(\s*[,;|]\s*-?\d+)+", flags=re.ASCII)
LITERAL = re.compile(r"\[\]|\[.*[,'\"\d].*\]|\{\}|\{.*:.*\}", flags=re.DOTALL)
"""A list or a dictionary as Python or JSON writes it."""


def label_text(value: Any) -> str | None:
    """A raw label as text.

    Returns:
        A name, or a number in its shortest form (`1` for 1.0); "" where there is no label (null,
        NaN or blank); None for what cannot be a label.
    """
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return None
    # Lists and dictionaries, which are several labels, are refused by how they are written.
    known = str | int | float | Decimal | list | tuple | dict
    return plain_number(str(value).strip()) if isinstance(value, known) else None


def without_label(
    values: Sequence[str | None], splits: Sequence[Any] | None, is_named: bool
) -> np.ndarray:
    """Which rows have no label: a blank cell, or -1 where it stands for one.

    It does where a split holds nothing else, unless -1 is a label in another split, as in data
    labelled -1, 0 and 1, or the user names it.

    Args:
        values: N results of `label_text`.
        splits: of each row; None for one split.
        is_named: whether the user names -1.

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
    """A sentence for each split with rows that have no label.

    Args:
        name: of the source.
        values: N results of `label_text`.
        missing: bool (N,), from `without_label`.
        splits: of each row; None for one split.
    """
    rows_of: dict[Any, list[int]] = {}
    for i, split in enumerate(splits or [None] * len(values)):
        rows_of.setdefault(split, []).append(i)
    notes = []
    for split, rows in rows_of.items():
        count, of = int(missing[rows].sum()), f"{split} rows" if split else "rows"
        if count == len(rows):
            dashes = " (-1 stands for none)" if UNLABELLED in {values[i] for i in rows} else ""
            notes.append(
                f"{name}: none of its {count:,} {of} has a label{dashes}: they are left out"
            )
        elif count:
            notes.append(f"{name}: {count:,} of {len(rows):,} {of} have no label and are left out")
    return notes


def refuse_several(unnamed: Mapping[str, str], first_row: Mapping[str, str]) -> None:
    """Refuse a column of which a row has several labels.

    Args:
        unnamed: the values that the user does not name, and where each occurs first.
        first_row: the same for all values.
    """
    known = {canonical(value) for value in first_row}
    for value, row in unnamed.items():
        parts = [canonical(part) for part in re.split("[,;|]", value)]
        if QUANTITY.fullmatch(value) and INTEGERS.fullmatch(value):
            what = "a number with a decimal comma, or several labels"
        elif (
            INTEGERS.fullmatch(value)
            or LITERAL.fullmatch(value)
            or (len(parts) > 1 and known.issuperset(parts))
        ):
            what = "several labels"
        else:
            continue
        raise InputError(
            f"{row}: {value!r} is {what}, and a classifier needs one class a row: keep one label of"
            " each row, or choose another --label-column"
        )


def refuse_quantities(unnamed: Mapping[str, str], first_row: Mapping[str, str]) -> None:
    """Refuse a column of numbers that are not all integers."""
    if not all(is_integer(value) or is_quantity(value) for value in first_row):
        return
    for value, row in unnamed.items():
        if is_quantity(value):
            few = f", or name each with {label_map_of(list(first_row))}"
            raise InputError(
                f"{row}: {value!r} is the target of a regression and not a class, as the column"
                " holds numbers that are not integers: put classes in their place"
                + few
                * (len(first_row) <= SHOWN)
            )


def is_integer(text: str) -> bool:
    """Whether a label is written as an integer, in its shortest form."""
    return re.fullmatch(r"0|-?[1-9]\d*", text, flags=re.ASCII) is not None


def is_quantity(text: str) -> bool:
    """Whether a label is a number, but no integer: `0.35`, `1,5`, `3e-05`, `12 %`."""
    return QUANTITY.fullmatch(text) is not None and re.search("[.,e%]", text.lower()) is not None
