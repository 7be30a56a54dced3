"""Strict readers for JSON lines and for JSON files with one array of objects."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from mlx_finbert.data.tables.encodings import TextFormat
from mlx_finbert.data.tables.records import Record, Row, TableFile, has_column, repeated
from mlx_finbert.data.tables.text_files import first_lines, open_text
from mlx_finbert.errors import InputError, is_encodable
from mlx_finbert.files.archives import room_of, too_large
from mlx_finbert.files.json_text import (
    JsonFault,
    finite_number,
    parse_json_at,
    parse_whole,
    whole_number,
)


class JsonRecords(TableFile):
    """Objects, one per line or all in one array; an array is read into memory as a whole."""

    def __init__(self, path: Path, form: TextFormat) -> None:
        """
        Args:
            path: The file.
            form: The file's encoding and line ends.

        Raises:
            InputError: If the file begins with an object over several lines.
        """
        self.path, self.form = path, form
        start = "".join(first_lines(path, form)).lstrip()
        self.is_array = start.startswith("[")
        if start.partition("\n")[0].strip() == "{":
            raise InputError(
                f"{path}: an object over several lines: write one object per line, or one array of"
                " objects, such as a list inside this object"
            )

    def records(self) -> Iterator[Record]:
        with open_text(self.path, self.form) as file:
            if self.is_array:
                text = file.read(most := room_of(self.path))
                if len(text) == most:
                    raise too_large(self.path)
                yield from array_records(text, self.path)
            else:
                yield from line_records(file)

    def require_columns(self, columns: Mapping[str, str]) -> None:
        """Refuse the response of a web service: one object with the rows in a list."""
        lines = [line for line in first_lines(self.path, self.form) if line.strip()]
        if self.is_array or len(lines) != 1:
            return
        record = next(line_records(iter(lines)))
        for name, value in record.values.items():
            is_table = isinstance(value, list) and any(isinstance(item, dict) for item in value)
            if is_table and not all(has_column(record.values, c) for c in columns.values()):
                raise InputError(
                    f"{self.path}: one object with its rows in the list {name!r}: save that list"
                    " as a separate file"
                )

    @property
    def notes(self) -> list[str]:
        return [self.form.note] if self.form.note else []


def line_records(lines: Iterator[str]) -> Iterator[Record]:
    """Yield a row for each line that is not blank."""
    numbers = count(1)
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        record = Record(next(numbers), line, {})
        try:
            fill(record, parse_whole(text, STRICT), text)
        except JsonFault as fault:
            record.fault = str(fault)
        yield record


def array_records(text: str, path: Path) -> Iterator[Record]:
    """Yield a row for each element of an array.

    Raises:
        InputError: If an element is not valid JSON, because the next row cannot be found then.
    """
    start = skip_space(text, 0) + 1
    at, line, seen = skip_space(text, start), 1, 0
    numbers = count(1) if text[at : at + 1] != "]" else ()
    for number in numbers:
        line, seen = line + text.count("\n", seen, at), at
        record = Record(number, line, {})
        try:
            value, end = parse_json_at(text, at, STRICT)
            fill(record, value, text[at:end])
        except JsonFault as fault:
            raise InputError(f"{record.where(path)}: {fault}") from None
        yield record
        at = skip_space(text, end)
        if text[at : at + 1] != ",":
            break
        at = skip_space(text, at + 1)
    if text[at : at + 1] != "]" or text[at + 1 :].strip():
        raise InputError(
            f"{path}: its array does not end after its last row: it is damaged, save it again"
        )


def fill(record: Record, value: Any, text: str) -> None:
    """Put the decoded value, or its fault, into a record."""
    if not isinstance(value, dict):
        record.fault = "not a JSON object"
    elif "\\ud" in text.lower() and (broken := columns_with_half_pairs(value)):
        record.fault = (
            f"column {broken[0]!r}: half of a surrogate pair, as in an emoji cut in two;"
            " remove it or write the whole pair"
        )
    else:
        record.values = value


def columns_with_half_pairs(values: Row) -> list[str]:
    """Return the columns with half of a surrogate pair in their name or, at any depth, value."""
    dump = partial(json.dumps, ensure_ascii=False)
    return [name for name in values if not is_encodable(dump({name: values[name]}))]


def skip_space(text: str, at: int) -> int:
    """Return the position of the next character that is not white space."""
    while text[at : at + 1].isspace():
        at += 1
    return at


def _object(pairs: list[tuple[str, Any]]) -> Row:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = repeated([name for name, _ in pairs])
        raise ValueError(f"two values for the key {twice[0]!r}")
    return values


def _constant(name: str) -> None:
    # pandas and Python write NaN for a missing value. JSON has no infinity.
    if name != "NaN":
        raise ValueError(f"{name} is not a JSON number")


STRICT = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=whole_number,
    parse_float=finite_number,
)
"""Refuses two values of one key, and infinity."""
