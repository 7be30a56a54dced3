"""The rows of tables, with their place in the file, and access to columns by name."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isnan
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlx_finbert.data.tables.arrow_values import ArrowValue
from mlx_finbert.errors import InputError

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]

NULL = "\\N"
"""The text that databases export for null."""


MOST_NAMES, MOST_CHARACTERS = 20, 40
"""Columns that a message lists, and characters of the name of each."""


@dataclass(slots=True)
class Record:
    """One row, or the fault that makes it unreadable."""

    number: int
    """The number of the row, from 1, without counting a header."""
    line: int | None
    """The line in the file where the row begins, from 1; None in Parquet, which has no lines."""
    values: Row
    fault: str = ""
    """The fault of the row, without its place; `values` is then empty."""

    def where(self, name: object) -> str:
        """Return the row's place: `news.csv, line 7 (row 5)`."""
        if self.line is None:
            return f"{name}, row {self.number}"
        return f"{name}, line {self.line} (row {self.number})"


class TableFile(ABC):
    """A table on disk with a known format; its rows can be read as often as needed."""

    path: Path
    features: Mapping[str, Any] = MappingProxyType({})
    """The information that `datasets` has stored about the columns, such as label names."""
    schema: "pyarrow.Schema | None" = None
    """The types of the columns, if the file stores them."""

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Yield the rows in order, including bad ones, in constant memory.

        Raises:
            InputError: If a fault makes all later rows unreliable.
        """

    def require_columns(self, columns: Mapping[str, str]) -> None:  # noqa: B027
        """Refuse a table that lacks one of the columns, which are keyed by their parameters.

        A format in which each row has its own columns cannot be checked before the rows are read.
        """

    @property
    def notes(self) -> list[str]:
        """Sentences about guesses and unusual findings; complete after the rows have been read."""
        return []


class MissingColumnError(InputError):
    """An error for a row or a table that lacks a column named by a parameter."""


class UnreadableValueError(InputError):
    """An error for a value of a Parquet file that has no form in Python."""


def value_of(row: Row, column: str) -> Any:
    """Return the value of a column; `data.text` can also mean the key `text` of the object `data`.

    A key that contains the dot itself takes precedence. Anything inside a null is null. The number
    NaN, with which pandas marks a missing value, and `\\N`, with which MySQL and Hive do, are also
    null; the text "nan" is a text.

    Raises:
        KeyError: If there is no such column.
    """
    if column in row:
        value = row[column]
        is_missing = isnan(value) if isinstance(value, float) else value == NULL
        return None if is_missing else value
    for i, character in enumerate(column):
        if character == "." and column[:i] in row:
            inner = row[column[:i]]
            if inner is None:
                return None
            if isinstance(inner, dict):
                return value_of(inner, column[i + 1 :])
    raise KeyError(column)


def has_column(row: Row, column: str) -> bool:
    """Whether `value_of` finds a column."""
    try:
        value_of(row, column)
    except KeyError:
        return False
    return True


def require_column(row: Row, column: str, where: str, parameter: str) -> Any:
    """Return the value of a column.

    Raises:
        MissingColumnError: If the row lacks the column; lists the columns that it has.
        UnreadableValueError: If the value has no form in Python.
    """
    try:
        value = value_of(row, column)
    except KeyError:
        raise missing_column(row, column, where, parameter) from None
    if isinstance(value, ArrowValue):
        raise UnreadableValueError(
            f"{where}, column {column!r}: {value.why}; correct it, or choose another `{parameter}`"
        )
    return value


def missing_column(
    columns: Collection[str], column: str, where: str, parameter: str
) -> MissingColumnError:
    """Make the error that lists the existing columns and names the parameter that chooses one."""
    return MissingColumnError(
        f"{where} has no column {column!r}; its columns are {listed(columns)}:"
        f" choose one with `{parameter}`"
    )


def listed(columns: Collection[str]) -> str:
    """Name the first columns of a table, and how many more there are."""
    names = [repr(name)[:MOST_CHARACTERS] for name in islice(columns, MOST_NAMES)]
    more = len(columns) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def repeated(names: Collection[str]) -> list[str]:
    """Return the names that occur more than once."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for name in names:
        if name in seen:
            again[name] = None
        seen.add(name)
    return list(again)
