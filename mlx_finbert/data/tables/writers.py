"""Writing tables chunk by chunk; all rows are checked before the first is written.

A writer goes over the source's rows twice: `check` sees them all once, so that no value can break
`open` after hours of other work.
"""

import csv
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_finbert.data.tables.records import Row
from mlx_finbert.errors import InputError

if TYPE_CHECKING:
    import pyarrow

Write = Callable[[list[Row]], None]

NESTED = list, tuple, dict

Where = Callable[[int], str]
"""The place of a row by its index in a list, for messages: `news.csv, row 5`."""


class TableWriter(ABC):
    """Writes the rows of a source with further columns."""

    def __init__(self, added: dict[str, type]) -> None:
        """
        Args:
            added: the further columns, by name: str, int or float.
        """
        self.added = added
        self.columns: Row = {}
        """Those of the source's first row, in their order, as keys."""

    def check(self, rows: list[Row], where: Where) -> None:
        """Refuse source rows that cannot be written; called for all of them before `open`.

        Args:
            rows: the next ones, in their order, without the further columns.
            where: the place of each of them.

        Raises:
            InputError: names the row and what to do.
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
        """A function that takes lists of rows, each with the further columns."""


class CsvWriter(TableWriter):
    """Comma-separated values; a list or an object is a cell of JSON."""

    delimiter = ","

    def _check_row(self, row: Row, where: Callable[[], str]) -> None:
        super()._check_row(row, where)
        for name, value in row.items():
            if isinstance(value, bytes):
                raise InputError(
                    f"{where()}, column {name!r}: bytes are no text; write .parquet instead"
                )
            if isinstance(value, NESTED):
                require_json(name, value, where)

    @contextmanager
    def open(self, path: Path) -> Iterator[Write]:
        with open(path, "w", encoding="utf-8", newline="") as file:
            names = [*self.columns, *self.added]
            writer = csv.DictWriter(file, names, delimiter=self.delimiter)
            writer.writeheader()
            yield lambda rows: writer.writerows(
                {name: csv_cell(value) for name, value in row.items()} for row in rows
            )


class TsvWriter(CsvWriter):
    """Tab-separated values."""

    delimiter = "\t"


class JsonWriter(TableWriter):
    """One JSON object a line; rows may have different fields."""

    def _check_row(self, row: Row, where: Callable[[], str]) -> None:
        if json_problem(row):
            for name, value in row.items():
                require_json(name, value, where)

    @contextmanager
    def open(self, path: Path) -> Iterator[Write]:
        with open(path, "w", encoding="utf-8") as file:
            yield lambda rows: file.writelines(json_line(row) + "\n" for row in rows)


def csv_cell(value: Any) -> Any:
    """A value as `csv` writes it as text: NaN is empty, as null is."""
    return json_line(value) if isinstance(value, NESTED) else _nan_as_none(value)


def json_line(row: Any) -> str:
    """A row, or a value of one, as valid JSON, NaN as null; dates and decimals become strings.

    Raises:
        ValueError: where a value is infinite or bytes.
    """
    try:
        return _dumped(row)
    except ValueError:
        return _dumped(_nan_as_none(row))


def require_json(name: str, value: Any, where: Callable[[], str]) -> None:
    """Refuse a value of a column that cannot be written as JSON."""
    if problem := json_problem({name: value}):
        raise InputError(
            f"{where()}, column {name!r}: {value!r:.60} has no form in JSON ({problem});"
            " correct it, or write another format"
        )


def json_problem(row: Row) -> str | None:
    """Why a row cannot be written as JSON in UTF-8; None where it can."""
    try:
        json_line(row).encode("utf-8")
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_as_string)


def _as_string(value: Any) -> str:
    if isinstance(value, bytes):
        raise ValueError("bytes are no text")
    return str(value)


def _nan_as_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nan_as_none(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_as_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def make_writer(
    target: Path, added: dict[str, type], schema: "pyarrow.Schema | None" = None
) -> TableWriter:
    """The writer for the ending of a target.

    Args:
        target: of an ending in `WRITERS`, or `.parquet`.
        added: the further columns, by name: str, int or float.
        schema: of the source's rows, where it is a Parquet file.
    """
    if target.suffix.lower() == PARQUET:
        from mlx_finbert.data.tables.parquet_writer import ParquetWriter

        return ParquetWriter(added, schema)
    return WRITERS[target.suffix.lower()](added)


PARQUET = ".parquet"

WRITERS: dict[str, type[TableWriter]] = {".csv": CsvWriter, ".tsv": TsvWriter, ".jsonl": JsonWriter}

ENDINGS = (*WRITERS, PARQUET)
"""What the name of a target may end with."""
