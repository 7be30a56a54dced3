"""A row of a table with its place in the file, and how a column of it is found by name."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlx_finbert.errors import InputError

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]

NULL = "\\N"
"""How databases export null into text."""


@dataclass(slots=True)
class Record:
    """One row, or why it could not be read."""

    number: int
    """From 1; a header is no row."""
    line: int | None
    """Where the row begins in its file, from 1; None in Parquet, which has no lines."""
    values: Row
    fault: str = ""
    """What is wrong with the row, without its place; `values` is then empty."""

    def where(self, name: object) -> str:
        """The row's place: `news.csv, line 7 (row 5)`."""
        if self.line is None:
            return f"{name}, row {self.number}"
        return f"{name}, line {self.line} (row {self.number})"


class TableFile(ABC):
    """A table on disk whose form is known; its rows can be read as often as needed."""

    path: Path
    features: Mapping[str, Any] = MappingProxyType({})
    """What `datasets` has stored about the columns, such as the names of labels."""
    schema: "pyarrow.Schema | None" = None
    """The types of the columns, where the file stores them."""

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """The rows in their order, bad ones too, in constant memory.

        Raises:
            InputError: where nothing that follows can be trusted.
        """

    def require_columns(self, columns: Mapping[str, str]) -> None:  # noqa: B027
        """Refuse a table without one of the columns, given by the flags that name them.

        Where each row has columns of its own nothing can be said before they are read.
        """

    @property
    def notes(self) -> list[str]:
        """Sentences on what was guessed or is unusual; complete once the rows were read."""
        return []


class MissingColumnError(InputError):
    """A row, or a whole table, lacks a column that a flag names."""


def value_of(row: Row, column: str) -> Any:
    """The value of a column; `data.text` is also the key `text` of the object `data`.

    A key with dots in it comes before what its parts would name. What lies inside a null is null,
    and so are the number NaN, by which pandas marks a missing value, and `\\N`, by which MySQL and
    Hive do; the text "nan" is a text.

    Raises:
        KeyError: where there is no such column.
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


def require_column(row: Row, column: str, where: str, flag: str) -> Any:
    """The value of a column.

    Raises:
        MissingColumnError: lists the columns that there are.
    """
    try:
        return value_of(row, column)
    except KeyError:
        raise missing_column(row, column, where, flag) from None


def missing_column(
    columns: Collection[str], column: str, where: str, flag: str
) -> MissingColumnError:
    """The error that names the columns there are, and the flag that chooses one."""
    return MissingColumnError(
        f"{where} has no column {column!r}; its columns are {', '.join(map(repr, columns))}:"
        f" name one with {flag}"
    )


def repeated(names: Collection[str]) -> list[str]:
    """The names that occur more than once."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for name in names:
        if name in seen:
            again[name] = None
        seen.add(name)
    return list(again)
