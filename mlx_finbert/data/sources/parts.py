"""Data sets in parts: one table per split, or a single table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from typing import Any

from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import Columns, labelled, named
from mlx_finbert.data.texts import LabelledTexts, split_of
from mlx_finbert.errors import InputError

WHOLE = ""
"""The name of the part of a source without splits."""

PLAIN = str | int | float | Decimal | date | time | None
"""The types of the values that reports show; no images, audio or lists."""


@dataclass
class Part:
    """A table: the names of its columns, and functions that read them."""

    columns: list[str]
    rows: int
    read: Callable[[str], list[Any]]
    """Returns the values of a column."""
    class_names: Callable[[str], list[str] | None] = lambda column: None
    """Returns the names of a column's integers, if they are stored."""
    plain: list[str] = field(default_factory=list)
    """The columns that may hold plain values."""


def add_part(rows: RawRows, part: Part, split: str | None, place: str, columns: Columns) -> None:
    """Append the rows of a part.

    Args:
        rows: The rows of the parts before.
        part: The table.
        split: The split of its rows, unless a column names it; None for a source without splits.
        place: The name of the part in messages: "imdb, train".
        columns: The columns to read.
    """
    rows.texts += part.read(columns.text)
    names = part.class_names(columns.label)
    column = f"{place}, column {columns.label!r}"
    rows.labels += named(part.read(columns.label), names, columns, column)
    rows.add_class_names(names)
    if columns.split:
        rows.splits += part.read(columns.split)
    elif split:
        rows.splits += [split] * part.rows
    rows.numbers += range(1, part.rows + 1)
    rows.others += other_columns(part, columns)


def load_parts(
    found: Mapping[str, Part], name: str, columns: Columns, licence: str = ""
) -> LabelledTexts:
    """Read the texts and labels of a data set and keep its splits.

    Splits without the two columns are left out (`test` in some data sets of GLUE). Splits with
    other names are also left out (IMDB's `unsupervised`), unless there is only one split. The notes
    name the splits that are left out.

    Args:
        found: The parts by split; the only key is `WHOLE` for a source without splits.
        name: The data set, for messages.
        columns: The columns to read.
        licence: The licence of the data.
    """
    parts = usable_parts(found, name, columns)
    is_whole = WHOLE in found
    rows = RawRows()
    for split, part in parts.items():
        of_source = split if len(parts) > 1 else None
        add_part(rows, part, of_source, name if is_whole else f"{name}, {split}", columns)
        mark = ", row" if is_whole else f", {split} row"
        rows.where += [f"{name}{mark} {i + 1}" for i in range(part.rows)]
    data = labelled(rows, name, columns, licence)
    used = {id(part) for part in parts.values()}
    for split, part in found.items():
        if id(part) not in used:
            data.notes.append(f"{name}: the {part.rows:,} rows of its split {split} are left out")
    return data


def usable_parts(found: Mapping[str, Part], name: str, columns: Columns) -> dict[str, Part]:
    """Return the parts that have the columns, under the names train, validation and test."""
    parts: dict[str, Part] = {}
    wanted = columns.by_parameter()
    for key, part in found.items():
        split = split_of(key)
        if (split or len(found) == 1) and {*wanted.values()} <= {*part.columns}:
            if split in parts:
                raise InputError(f"{name} has two {split} splits: {', '.join(found)}")
            parts[split or "train"] = part
    if not parts:
        raise InputError(no_columns(found, name, columns))
    return parts


def no_columns(found: Mapping[str, Part], name: str, columns: Columns) -> str:
    """Return the error message for a data set in which no part has the columns."""
    wanted = columns.by_parameter()
    names = [f"{column!r}" for column in wanted.values()]
    parameters = [f"`{parameter}`" for parameter in wanted]
    has = "; ".join(f"{key}: {', '.join(part.columns)}" for key, part in found.items())
    if WHOLE in found:
        what, has = "lacks one of", ", ".join(found[WHOLE].columns)
    else:
        what = "has no split with"
    return (
        f"{name} {what} the columns {_listed(names)} (it has {has}): name them with"
        f" {_listed(parameters)}"
    )


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def other_columns(part: Part, columns: Columns) -> list[dict[str, Any]]:
    """Return the plain values of each row without text, label and split."""
    used = {*columns.by_parameter().values()}
    read = {name: part.read(name) for name in part.plain if name not in used}
    kept = {n: column for n, column in read.items() if all(isinstance(v, PLAIN) for v in column)}
    return [{name: column[i] for name, column in kept.items()} for i in range(part.rows)]
