"""Tables on disk, read row by row: CSV, TSV, JSON, Parquet, and one text a line."""

import json
from pathlib import Path, PurePosixPath

from mlx_finbert.data.tables.compressed import inner_name, start_of
from mlx_finbert.data.tables.delimited import Delimited
from mlx_finbert.data.tables.encodings import TextFormat, find_format
from mlx_finbert.data.tables.json_records import JsonRecords
from mlx_finbert.data.tables.parquet_records import ParquetRecords
from mlx_finbert.data.tables.read_options import ReadOptions
from mlx_finbert.data.tables.records import TableFile
from mlx_finbert.data.tables.text_files import TextLines, first_lines
from mlx_finbert.errors import InputError

DELIMITED = (".csv", ".tsv", ".tab", ".psv")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet",)
LINES = (".txt",)
ENDINGS = (*DELIMITED, *JSON, *PARQUET, *LINES)

PARQUET_MARK = b"PAR1"

BY_CONTENT = ("", ".data", ".dat")
"""Endings that say nothing of what is in a file."""


def open_table(path: Path, options: ReadOptions | None = None) -> TableFile:
    """A table, its form found from its name and its first lines, and from what the user says.

    Args:
        path: one of `ENDINGS` or `BY_CONTENT`, plain or packed with gzip, bzip2, xz or in a zip
            with one table. `.txt` has one text a line, in a column `text`, unless the options
            speak of columns.
        options: what the user says of a file in text form.

    Raises:
        InputError: for what cannot be read, with the remedy.
    """
    options = options or ReadOptions()
    name = inner_name(path)
    ending = ending_of(name)
    is_parquet = ending in PARQUET or start_of(path).startswith(PARQUET_MARK)
    if ending not in (*ENDINGS, *BY_CONTENT) and not is_parquet:
        raise InputError(f"{path}: the ending is not one of {', '.join(ENDINGS)}")
    if is_parquet:
        refuse_options(path, options)
        return ParquetRecords(path, is_packed=name != path.name)
    form = find_format(path, options.encoding)
    if ending in JSON or (ending in BY_CONTENT and begins_as_json(path, form)):
        refuse_options(path, options)
        return JsonRecords(path, form)
    if ending in LINES and options.delimiter is None and options.header is None:
        return TextLines(path, form)
    return Delimited(path, form, options, ending)


def ending_of(name: str) -> str:
    """The ending that says what a file is; `.csv.txt` is how Windows may save a `.csv`."""
    *_, inner, ending = ["", "", *PurePosixPath(name.lower()).suffixes]
    return inner if ending in LINES and inner in (*DELIMITED, *JSON) else ending


def refuse_options(path: Path, options: ReadOptions) -> None:
    """Refuse flags that say something of columns of text which the file does not have."""
    for flag, value in (("--delimiter", options.delimiter), ("--header", options.header)):
        if value is not None:
            flag = "--no-header" if value is False else flag
            raise InputError(f"{flag} has no meaning for {path}: leave it out")


def begins_as_json(path: Path, form: TextFormat) -> bool:
    """Whether a file's first line is a JSON object, or the beginning of an array of them."""
    line = next((line for line in first_lines(path, form) if line.strip()), "").strip()
    if line.startswith("["):
        return line == "[" or line[1:].lstrip().startswith("{")
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
