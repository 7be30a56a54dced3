"""Writing tables chunk by chunk; the file appears whole, when all was written."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlx_finbert.atomic import replaced
from mlx_finbert.data.records import Row
from mlx_finbert.errors import InputError, first_line

Write = Callable[[list[Row]], None]

SCORES = "score", "score_min", "score_max"
"""Columns of numbers that scoring adds, beside the probabilities."""


@contextmanager
def open_writer(target: Path, source: Path) -> Iterator[Write]:
    """A function that takes lists of rows, all with the columns of the first.

    Args:
        target: `.csv`, `.tsv`, `.jsonl` or `.parquet`.
        source: where the rows come from; a Parquet file's column types are kept in Parquet.
    """
    with replaced(target) as part, WRITERS[target.suffix.lower()](part, source) as write:
        yield write


def _require_columns(rows: list[Row], columns: list[str], source: Path) -> None:
    known = set(columns)
    for row in rows:
        if extra := row.keys() - known:
            raise InputError(
                f"{source}: some rows have a field {min(extra)!r} that the first row lacks;"
                " write .jsonl instead"
            )


@contextmanager
def _csv_writer(path: Path, source: Path, delimiter: str = ",") -> Iterator[Write]:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter | None = None

        def write(rows: list[Row]) -> None:
            nonlocal writer
            if writer is None:
                writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
                writer.writeheader()
            _require_columns(rows, writer.fieldnames, source)
            writer.writerows(rows)

        yield write


@contextmanager
def _tsv_writer(path: Path, source: Path) -> Iterator[Write]:
    with _csv_writer(path, source, delimiter="\t") as write:
        yield write


@contextmanager
def _json_writer(path: Path, source: Path) -> Iterator[Write]:
    with open(path, "w", encoding="utf-8") as file:

        def write(rows: list[Row]) -> None:
            file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

        yield write


@contextmanager
def _parquet_writer(path: Path, source: Path) -> Iterator[Write]:
    import pyarrow
    import pyarrow.parquet

    is_parquet = source.suffix.lower() == ".parquet"
    known = pyarrow.parquet.read_schema(source) if is_parquet else pyarrow.schema([])
    writer: pyarrow.parquet.ParquetWriter | None = None

    def write(rows: list[Row]) -> None:
        nonlocal writer
        try:
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(path, _schema(rows, known))
            _require_columns(rows, writer.schema.names, source)
            arrays = [_array(rows, field, field.name in known.names) for field in writer.schema]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=writer.schema))
        except (pyarrow.ArrowException, OverflowError) as error:
            raise InputError(
                f"{source}: its columns have no one type that Parquet knows"
                f" ({first_line(error)}); write .jsonl instead"
            ) from None

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _schema(rows: list[Row], known: "pyarrow.Schema") -> "pyarrow.Schema":  # noqa: F821
    """The source's types, and for other columns those of the first rows.

    A column without a value so far becomes text, and one of ours what it always is.
    """
    import pyarrow

    fields = []
    for name in rows[0]:
        kind = None if name in known.names else pyarrow.array([row.get(name) for row in rows]).type
        if kind is None:
            fields.append(known.field(name))
        elif name in SCORES or name.startswith("probability_"):
            fields.append(pyarrow.field(name, pyarrow.float64()))
        else:
            fields.append(pyarrow.field(name, pyarrow.string() if kind == pyarrow.null() else kind))
    return pyarrow.schema(fields)


def _array(rows: list[Row], field: "pyarrow.Field", is_known: bool) -> "pyarrow.Array":  # noqa: F821
    """One column; values that the type of a guessed column would change are an error."""
    import pyarrow

    values = [row.get(field.name) for row in rows]
    return pyarrow.array(values, field.type) if is_known else pyarrow.array(values).cast(field.type)


WRITERS = {
    ".csv": _csv_writer,
    ".tsv": _tsv_writer,
    ".jsonl": _json_writer,
    ".parquet": _parquet_writer,
}
