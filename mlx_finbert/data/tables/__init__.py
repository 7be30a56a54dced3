"""Tables on disk, read row by row: CSV, TSV, JSON, Parquet, and one text per line."""

from pathlib import Path, PurePosixPath

from mlx_finbert.data.tables.compressed import inner_name, start_of
from mlx_finbert.data.tables.delimited import Delimited
from mlx_finbert.data.tables.encodings import TextFormat, find_format
from mlx_finbert.data.tables.json_records import JsonRecords
from mlx_finbert.data.tables.parquet_records import ParquetRecords
from mlx_finbert.data.tables.records import TableFile
from mlx_finbert.data.tables.text_files import ReadOptions, TextLines, first_lines
from mlx_finbert.errors import InputError
from mlx_finbert.files.json_text import JsonFault, parse_whole

DELIMITED = (".csv", ".tsv", ".tab", ".psv")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet",)
LINES = (".txt",)
ENDINGS = (*DELIMITED, *JSON, *PARQUET, *LINES)

PARQUET_MARK = b"PAR1"

BY_CONTENT = ("", ".data", ".dat")
"""Endings that do not reveal the format of a file."""


def open_table(path: Path, options: ReadOptions | None = None) -> TableFile:
    """Open a table and detect its format from its name, its first lines and the options.

    Args:
        path: A file with one of `ENDINGS` or `BY_CONTENT`, plain, compressed with gzip, bzip2 or
            xz, or in a zip with one table. `.txt` has one text per line, in a column `text`,
            unless the options set a separator or a header.
        options: The user's settings for a text file.

    Raises:
        InputError: If the file cannot be read; names the remedy.
    """
    options = options or ReadOptions()
    name = inner_name(path)
    ending = ending_of(name)
    is_parquet = ending in PARQUET or start_of(path).startswith(PARQUET_MARK)
    if ending not in (*ENDINGS, *BY_CONTENT) and not is_parquet:
        raise InputError(
            f"{path}: the ending is not one of {', '.join(ENDINGS)}: convert or rename the file"
        )
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
    """Return the ending that gives a file's format; `.csv.txt`, as saved by Windows, is `.csv`."""
    *_, inner, ending = ["", "", *PurePosixPath(name.lower()).suffixes]
    return inner if ending in LINES and inner in (*DELIMITED, *JSON) else ending


def refuse_options(path: Path, options: ReadOptions) -> None:
    """Refuse parameters for text files, which do not apply to this file."""
    for parameter, value in (("delimiter", options.delimiter), ("header", options.header)):
        if value is not None:
            given = parameter + "=False" * (value is False)
            raise InputError(f"`{given}` has no effect on {path}: remove it")


def begins_as_json(path: Path, form: TextFormat) -> bool:
    """Whether a file's first line is a JSON object or begins an array of objects."""
    line = next((line for line in first_lines(path, form) if line.strip()), "").strip()
    if line.startswith("["):
        return line == "[" or line[1:].lstrip().startswith("{")
    try:
        return isinstance(parse_whole(line), dict)
    except JsonFault:
        return False
