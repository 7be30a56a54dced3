"""The writer of Parquet files, in which each column has one type that fits all rows."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from mlx_finbert.data.tables.arrow_values import arrow_form
from mlx_finbert.data.tables.records import Row
from mlx_finbert.data.tables.writers import TableWriter, Where, Write
from mlx_finbert.errors import InputError, first_line

ADDED = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}

# RecursionError: values nested too deep. UnicodeEncodeError, a ValueError: half a surrogate pair.
UNFIT = (pyarrow.ArrowException, ValueError, TypeError, OverflowError, RecursionError)


class ParquetWriter(TableWriter):
    """A writer that keeps the types of a Parquet source and derives those of others in `check`."""

    def __init__(self, added: dict[str, type], schema: pyarrow.Schema | None = None) -> None:
        super().__init__(added)
        self.fields: dict[str, pyarrow.Field] = {field.name: field for field in schema or ()}
        """The columns of a Parquet source."""
        self.types: dict[str, pyarrow.DataType] = {}
        """The types of the other columns, from the rows seen so far."""

    def check(self, rows: list[Row], where: Where) -> None:
        super().check(rows, where)
        for name in self.columns:
            values = [row.get(name) for row in rows]
            try:
                self._see(name, values)
            except UNFIT as error:
                index = self._first_unfit(name, values)
                raise InputError(
                    f"{where(index)}, column {name!r}: {values[index]!r:.60} does not fit the"
                    f" single type that a Parquet column must have ({first_line(error)}); write"
                    " .jsonl instead"
                ) from None

    def _see(self, name: str, values: list[Any]) -> None:
        if name in self.fields:
            _column(values, self.fields[name].type)
        else:
            self.types[name] = wider(self.types.get(name, pyarrow.null()), values)

    def _first_unfit(self, name: str, values: list[Any]) -> int:
        """Return the index of the first value that does not fit those before it."""

        def fails(count: int) -> bool:
            try:
                self._see(name, values[:count])
            except UNFIT:
                return True
            return False

        return bisect_left(range(len(values)), True, lo=1, key=fails) - 1

    def schema(self) -> pyarrow.Schema:
        """Return the schema of the file to write; a column without any value has type string."""
        fields = [self._field(name) for name in self.columns]
        fields += [pyarrow.field(name, ADDED[kind]) for name, kind in self.added.items()]
        return pyarrow.schema(fields)

    def _field(self, name: str) -> pyarrow.Field:
        if name in self.fields:
            return self.fields[name]
        kind = self.types[name]
        return pyarrow.field(name, pyarrow.string() if kind == pyarrow.null() else kind)

    @contextmanager
    def open(self, path: Path) -> Iterator[Write]:
        with pyarrow.parquet.ParquetWriter(path, self.schema()) as writer:
            yield lambda rows: writer.write_table(_table(rows, writer.schema))


def _table(rows: list[Row], schema: pyarrow.Schema) -> pyarrow.Table:
    columns = [_column([row.get(field.name) for row in rows], field.type) for field in schema]
    return pyarrow.Table.from_arrays(columns, schema=schema)


def _column(values: list[Any], kind: pyarrow.DataType) -> pyarrow.Array:
    return pyarrow.array(map(arrow_form, values), kind)


def wider(kind: pyarrow.DataType, values: list[Any]) -> pyarrow.DataType:
    """Return the type of a column that has values of type `kind` and these values.

    Raises:
        UNFIT: If no type keeps every value unchanged.
    """
    # Arrow would turn true after 2.5 into 1.0.
    if bool in (kinds := {type(value) for value in values if value is not None}) and len(kinds) > 1:
        raise TypeError("true or false among other values")
    found = _merged(kind, pyarrow.array(values).type)
    if found != kind:
        # A file in memory shows whether Parquet has the type.
        schema = pyarrow.schema([pyarrow.field("column", found)])
        pyarrow.parquet.ParquetWriter(pyarrow.BufferOutputStream(), schema).close()
    return found


def _merged(left: pyarrow.DataType, right: pyarrow.DataType) -> pyarrow.DataType:
    """Merge two types; lists and structs may have parts without a value."""
    if left == right or pyarrow.types.is_null(right):
        return left
    if pyarrow.types.is_null(left):
        return right
    if pyarrow.types.is_list(left) and pyarrow.types.is_list(right):
        return pyarrow.list_(_merged(left.value_type, right.value_type))
    if pyarrow.types.is_struct(left) and pyarrow.types.is_struct(right):
        types = {field.name: field.type for field in left}
        for field in right:
            types[field.name] = _merged(types.get(field.name, pyarrow.null()), field.type)
        return pyarrow.struct(types.items())
    raise TypeError(f"{right} after {left}")
