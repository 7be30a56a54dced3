"""Writers of tables, which check all rows before they write the first.

A writer gets the source's rows twice. The first time, `check` sees all of them, so that no value
can cause a failure of `open` after hours of other work.
"""

import csv
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_finbert.data.tables.arrow_values import ArrowValue
from mlx_finbert.data.tables.records import Row
from mlx_finbert.errors import InputError

if TYPE_CHECKING:
    import pyarrow

Write = Callable[[list[Row]], None]

NESTED = list, tuple, dict

FORMULA = re.compile(r"(?![+-][\d.,]+(?:[eE][+-]?\d+)?%?\Z)[=+\-@\t\r]")
"""The beginning of what a spreadsheet takes for a formula, which a number with a sign is not."""

Where = Callable[[int], str]
"""A function that returns the place of a row by its index in a list: `news.csv, row 5`."""


class TableWriter(ABC):
    """A writer of a source's rows with additional columns."""

    def __init__(self, added: dict[str, type]) -> None:
        """
        Args:
            added: The types of the additional columns, by name: str, int or float.
        """
        self.added = added
        self.columns: Row = {}
        """The columns of the source's first row, in order, as keys."""

    def check(self, rows: list[Row], where: Where) -> None:
        """Refuse source rows that cannot be written; called for all rows before `open`.

        Args:
            rows: The next rows, in order, without the additional columns.
            where: Returns the place of each of these rows.

        Raises:
            InputError: If a row cannot be written; names the row and the remedy.
        """
        self.columns = self.columns or dict.fromkeys(rows[0])
        for i, row in enumerate(rows):
            self._check_row(row, partial(where, i))

    def _check_row(self, row: Row, where: Callable[[], str]) -> None:
        if extra := row.keys() - self.columns.keys():
            raise InputError(
                f"{where()} has a field {min(extra)!r} that row 1 lacks; write .jsonl instead"
            )

    @abstractmethod
    def open(self, path: Path) -> AbstractContextManager[Write]:
        """Yield a function that writes lists of rows, each with the additional columns."""


class CsvWriter(TableWriter):
    """A writer of comma-separated values; a list or an object is written as JSON."""

    delimiter = ","
    has_formulas = True
    """Whether cells may be formulas to a spreadsheet; if not, they get an apostrophe (`inert`)."""

    def _check_row(self, row: Row, where: Callable[[], str]) -> None:
        super()._check_row(row, where)
        for name, value in row.items():
            if isinstance(value, bytes | ArrowValue):
                said = value.why if isinstance(value, ArrowValue) else "bytes are not text"
                raise InputError(f"{where()}, column {name!r}: {said}; write .parquet instead")
            if isinstance(value, NESTED):
                require_json(name, value, where)

    @contextmanager
    def open(self, path: Path) -> Iterator[Write]:
        with open(path, "w", encoding="utf-8", newline="") as file:
            names = [*self.columns, *self.added]
            to_cell: Callable[[Any], Any] = csv_cell if self.has_formulas else inert_cell
            writer = csv.DictWriter(file, names, delimiter=self.delimiter)
            writer.writerow({name: to_cell(name) for name in names})
            yield lambda rows: writer.writerows(
                {name: to_cell(value) for name, value in row.items()} for row in rows
            )


class TsvWriter(CsvWriter):
    """A writer of tab-separated values."""

    delimiter = "\t"


class JsonWriter(TableWriter):
    """A writer of one JSON object per line; rows may have different fields."""

    def _check_row(self, row: Row, where: Callable[[], str]) -> None:
        if json_problem(row):
            for name, value in row.items():
                require_json(name, value, where)

    @contextmanager
    def open(self, path: Path) -> Iterator[Write]:
        with open(path, "w", encoding="utf-8") as file:
            yield lambda rows: file.writelines(json_line(row) + "\n" for row in rows)


def csv_cell(value: Any) -> Any:
    """Convert a value for `csv`: NaN, like null, becomes an empty cell."""
    return json_line(value) if isinstance(value, NESTED) else _nan_as_none(value)


def inert_cell(value: Any) -> Any:
    """Convert a value for `csv` so that no spreadsheet runs it; plain numbers stay as they are."""
    cell = csv_cell(value)
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def json_line(row: Any) -> str:
    """Convert a row or a value to valid JSON: NaN becomes null, dates and decimals strings.

    Raises:
        ValueError: If a value is infinite or bytes.
    """
    try:
        return _dumped(row)
    except ValueError:
        return _dumped(_nan_as_none(row))


def require_json(name: str, value: Any, where: Callable[[], str]) -> None:
    """Refuse a value of a column that cannot be written as JSON."""
    if problem := json_problem({name: value}):
        raise InputError(
            f"{where()}, column {name!r}: {value!r:.60} cannot be written as JSON ({problem});"
            " correct it, or write another format"
        )


def json_problem(row: Row) -> str | None:
    """Return the reason why a row cannot be written as JSON in UTF-8; None if it can."""
    try:
        json_line(row).encode("utf-8")
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_as_string)


def _as_string(value: Any) -> str:
    if isinstance(value, bytes):
        raise ValueError("bytes are not text")
    if isinstance(value, ArrowValue):
        raise ValueError(value.why)
    return str(value)


def _nan_as_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nan_as_none(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_as_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def make_writer(
    target: Path,
    added: dict[str, type],
    schema: "pyarrow.Schema | None" = None,
    has_formulas: bool = True,
) -> TableWriter:
    """Make the writer for the ending of a target.

    Args:
        target: The file to write, with an ending in `WRITERS` or `.parquet`.
        added: The types of the additional columns, by name: str, int or float.
        schema: The schema of the source's rows, if the source is a Parquet file.
        has_formulas: Whether cells of CSV and TSV may be formulas to a spreadsheet.
    """
    if target.suffix.lower() == PARQUET:
        from mlx_finbert.data.tables.parquet_writer import ParquetWriter

        return ParquetWriter(added, schema)
    writer = WRITERS[target.suffix.lower()](added)
    if isinstance(writer, CsvWriter):
        writer.has_formulas = has_formulas
    return writer


PARQUET = ".parquet"

WRITERS: dict[str, type[TableWriter]] = {".csv": CsvWriter, ".tsv": TsvWriter, ".jsonl": JsonWriter}

ENDINGS = (*WRITERS, PARQUET)
"""The endings that a target may have."""
