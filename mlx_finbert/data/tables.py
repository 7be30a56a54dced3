"""Tables on disk, read row by row: CSV, TSV, JSON lines, Parquet, and plain text lines."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mlx_finbert.encoding import is_encodable
from mlx_finbert.errors import InputError, first_line

Row = dict[str, Any]

SAY_ENCODING = "save the file as UTF-8 or name its encoding with --encoding (for instance latin-1)"

PARQUET_ROWS = 4096
"""Rows of a Parquet file in memory at a time."""

# A cell may hold a whole report; csv's own limit is 128 KiB.
csv.field_size_limit(2**31 - 1)


def read_rows(path: Path, encoding: str = "utf-8") -> Iterator[Row]:
    """The rows of a table as dictionaries, one at a time, in constant memory.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`, `.parquet`, or `.txt` (one text a line, column `text`).
        encoding: of the text formats; a byte order mark is skipped.

    Raises:
        InputError: names the file and the row.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: the ending is not one of {', '.join(READERS)}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if reader is _parquet_rows:
        yield from _parquet_rows(path)
        return
    with _open(path, encoding) as file:
        try:
            for row, values in enumerate(reader(file, path), 1):
                _require_decoded(values, row, path, encoding)
                yield values
        except UnicodeError as error:
            raise InputError(f"{path}: not {encoding} ({error}); {SAY_ENCODING}") from None


def _require_decoded(values: Row, row: int, path: Path, encoding: str) -> None:
    """Bytes that the encoding does not know arrive as lone surrogates, which cannot be encoded."""
    for column, value in values.items():
        if not is_encodable(column) or (isinstance(value, str) and not is_encodable(value)):
            raise InputError(
                f"{path}, row {row}, column {column!r}: not {encoding}; {SAY_ENCODING}"
            )


def require_column(row: Row, column: str, where: str, flag: str) -> None:
    """Refuse a row without the column, and list those that it has."""
    if column not in row:
        raise InputError(
            f"{where} has no column {column!r}; its columns are {', '.join(map(repr, row))}:"
            f" name one with {flag}"
        )


def _open(path: Path, encoding: str) -> TextIO:
    try:
        encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        return open(path, encoding=encoding, newline="", errors="surrogateescape")
    except LookupError:
        raise InputError(f"--encoding {encoding}: Python knows no such encoding") from None


def _csv_rows(file: TextIO, path: Path, delimiter: str = ",") -> Iterator[Row]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise InputError(f"{path} is empty: it needs a header line")
        if len(set(header)) < len(header):
            raise InputError(f"{path}: two columns have one name: {', '.join(header)}")
        # An empty line is a row where the table has one column, and nothing where it has more.
        rows = ((v or [""]) for v in reader if v or len(header) == 1)
        for row, values in enumerate(rows, 1):
            if len(values) != len(header):
                raise InputError(
                    f"{path}, row {row}: {len(values)} fields where the header has {len(header)};"
                    " quote texts that hold the separator"
                )
            yield dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None


def _tsv_rows(file: TextIO, path: Path) -> Iterator[Row]:
    for number, row in enumerate(_csv_rows(file, path, delimiter="\t"), 1):
        # Most often a text that begins with a stray quotation mark and swallows what follows.
        if any("\n" in value for value in row.values()):
            raise InputError(
                f"{path}, row {number}: a quoted field runs over several lines; double the"
                " quotation marks that belong to texts, or use .csv for texts of several lines"
            )
        yield row


def _json_rows(file: TextIO, path: Path) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}, line {number}: not a JSON object")
        yield values


def _text_rows(file: TextIO, path: Path) -> Iterator[Row]:
    return ({"text": line.rstrip("\r\n")} for line in file if line.strip())


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = f"{path} is not a readable Parquet file: {first_line(error)}"
        raise InputError(reason) from None


READERS = {
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".jsonl": _json_rows,
    ".parquet": _parquet_rows,
    ".txt": _text_rows,
}
