"""Text tables with a separator between the columns, such as CSV and TSV."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from mlx_finbert.data.tables.delimiters import (
    BY_ENDING,
    NAMES,
    find_delimiter,
    has_literal_quotes,
    separator_line,
)
from mlx_finbert.data.tables.encodings import TextFormat
from mlx_finbert.data.tables.headers import Header
from mlx_finbert.data.tables.records import Record, Row, TableFile
from mlx_finbert.data.tables.text_files import MOST_IN_LINE, ReadOptions, first_lines, open_text
from mlx_finbert.errors import InputError

# A cell may hold a whole report; the default limit of csv is 128 KiB.
csv.field_size_limit(MOST_IN_LINE)

REASONS = {
    "expected after": (
        "a quotation mark inside a quoted field is not doubled; double those that belong to texts"
    ),
    "unexpected end": "the quotation mark that opens a field is never closed",
    "new-line character": "a carriage return within the line; quote the field that contains it",
}
"""Our descriptions of faults, by words in the message of `csv.Error`."""

BACKSLASHES = 'quotation marks are escaped by a backslash (\\"); double them instead ("")'


class Delimited(TableFile):
    """A table whose columns are separated by one character."""

    def __init__(
        self, path: Path, form: TextFormat, options: ReadOptions, ending: str = ".csv"
    ) -> None:
        """
        Args:
            path: The file.
            form: The file's encoding and line ends.
            options: The user's settings for the file.
            ending: The ending of the file's name without compression, in lower case.

        Raises:
            InputError: If the separator is not clear, the file is empty, or its header is bad.
        """
        self.path, self.form, self.options = path, form, options
        lines = first_lines(path, form)
        set_by_file = separator_line(lines)
        self.skipped = int(set_by_file is not None)
        lines = lines[self.skipped :]
        if not any(line.strip("\r\n") for line in lines):
            raise InputError(f"{path} is empty: it needs a header line and rows")
        given = options.separator or set_by_file
        self.dialect: dict[str, Any] = {
            "delimiter": given or find_delimiter(lines, ending, path),
            "strict": True,
        }
        self.is_unusual = given is None and self.dialect["delimiter"] != BY_ENDING.get(ending, ",")
        self.dialect |= self._spaces_and_quotes(lines)
        first, *sample = self._parsed(lines) or self._refuse_first(lines)
        first += [""] * ends_left_out(first, sample)
        self.header = Header(path, first, sample, options.header)
        self.columns, self.unnamed = self.header.columns, self.header.unnamed
        self.in_unnamed = self.like_rows = 0
        self.first_like_rows = ""

    def _spaces_and_quotes(self, lines: list[str]) -> dict[str, Any]:
        """Detect spaces after separators and quotation marks that do not quote, as csv settings."""
        first = next(iter(self._parsed(lines)), [])
        if len(first) > 1 and all(cell.startswith(" ") for cell in first[1:]):
            return {"skipinitialspace": True}
        if self.dialect["delimiter"] == "\t":
            with open_text(self.path, self.form) as file:
                for _ in range(self.skipped):
                    next(file)
                if has_literal_quotes(file, "\t"):
                    return {"quoting": csv.QUOTE_NONE}
        return {}

    def _parsed(self, lines: list[str]) -> list[list[str]]:
        """Parse rows from the first lines, up to one that is malformed or incomplete."""
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows.extend(filter(None, csv.reader(lines, **self.dialect)))
        return rows

    def _refuse_first(self, lines: list[str]) -> NoReturn:
        """Raise an error that says why the first line cannot be parsed."""
        try:
            list(csv.reader(lines, **self.dialect))
        except csv.Error as error:
            said = "" if self.options.delimiter is None else "; check `delimiter` too"
            raise InputError(f"{self.path}, first line: {csv_fault(error)}{said}") from None
        raise InputError(f"{self.path} is empty: it needs a header line and rows")

    def require_columns(self, columns: Mapping[str, str]) -> None:
        self.header.require(columns)

    def records(self) -> Iterator[Record]:
        self.in_unnamed = self.like_rows = 0
        with open_text(self.path, self.form) as file:
            raw: list[str] = []
            reader = csv.reader(remembering(file, raw), **self.dialect)
            for _ in range(self.skipped):
                next(file)
            # Skip blank lines before the header, and the header itself.
            while self.header.is_there and not next(reader):
                pass
            number = 0
            while True:
                raw.clear()
                line = self.skipped + reader.line_num + 1
                try:
                    values = next(reader)
                    fault = self._width_fault(values)
                    if self.header.is_there and self.header.is_again(values):
                        fault = "this line repeats the header"
                except StopIteration:
                    return
                except csv.Error as error:
                    values, fault = [], csv_fault(error)
                # A blank line is a row of a table with one column, and is skipped in other tables.
                is_blank = len(values) < 2 and not "".join(raw).strip(" \r\n")
                if is_blank and len(self.columns) > 1:
                    continue
                number += 1
                record = Record(number, line, {}, fault)
                if fault or len(raw) > 1:
                    self._check(record, raw)
                if not fault:
                    record.values = self._row(values)
                yield record

    def _width_fault(self, values: list[str]) -> str:
        """Describe a wrong number of fields; "" if the number is right."""
        found, wanted = len(values), len(self.columns)
        if found in (0, wanted):
            return ""
        # Excel omits the separators of empty cells at the end; columns without a name may be
        # missing, because they are not used.
        if found < wanted and {*range(found, wanted)} <= {*self.unnamed}:
            return ""
        first = "the header" if self.header.is_there else "the first line"
        said = f"{found} field{'s' * (found != 1)}, but {first} has {wanted}"
        if found < wanted:
            return said
        each_line = ", or add `delimiter=tab` if each line is one text" * (wanted == 1)
        return f"{said}; quote texts that contain the separator{each_line}"

    def _row(self, values: list[str]) -> Row:
        values += [""] * (len(self.columns) - len(values))
        self.in_unnamed += any(values[i].strip() for i in self.unnamed)
        return dict(zip(self.columns, values, strict=True))

    def _check(self, record: Record, raw: list[str]) -> None:
        """Refuse a row that makes all later rows unreliable, and count suspicious rows.

        Raises:
            InputError: If a quotation mark may have swallowed rows.
        """
        where, separator = record.where(self.path), self.dialect["delimiter"]
        if record.fault and any('\\"' in line for line in raw):
            raise InputError(f"{where}: {BACKSLASHES}")
        if len(raw) < 2:
            return
        lines = f"the quotation mark in line {record.line} spans {len(raw)} lines"
        if record.fault:
            raise InputError(f"{where}: {record.fault}: {lines}")
        others = len(self.columns) - 1
        if others and all(line.count(separator) == others for line in raw):
            if separator == "\t":
                raise InputError(f"{where}: {lines} that look like rows: remove or double it")
            self.first_like_rows = self.first_like_rows or where
            self.like_rows += 1

    @property
    def notes(self) -> list[str]:
        notes = [self.form.note] if self.form.note else []
        separator = self.dialect["delimiter"]
        if self.is_unusual and len(self.columns) > 1:
            notes.append(f"{self.path}: its columns are separated by {NAMES[separator]}")
        if "quoting" in self.dialect:
            notes.append(f"{self.path}: quotation marks were read as part of the texts")
        if self.in_unnamed:
            have = "row has" if self.in_unnamed == 1 else "rows have"
            places = ", ".join(str(i + 1) for i in self.unnamed)
            notes.append(
                f"{self.path}: {self.in_unnamed:,} {have} values in columns without a name"
                f" (column {places}), which are not read as part of the text"
            )
        if self.like_rows:
            notes.append(
                f"{self.first_like_rows}: a quoted field contains lines that look like separate"
                f" rows ({self.like_rows:,} such rows): check the quotation marks"
            )
        return notes


def ends_left_out(first: list[str], sample: list[list[str]]) -> int:
    """Count the empty fields at the end of every other line that the first line lacks."""
    ends = [cell for row in sample for cell in row[len(first) :]]
    return 0 if any(map(str.strip, ends)) else max(0, min(map(len, sample), default=0) - len(first))


def remembering(lines: Iterator[str], raw: list[str]) -> Iterator[str]:
    """Yield the lines and also append each one to a list."""
    for line in lines:
        raw.append(line)
        yield line


def csv_fault(error: csv.Error) -> str:
    """Describe a fault that `csv` found."""
    return next((reason for words, reason in REASONS.items() if words in str(error)), str(error))
