"""Text files: the user's settings for reading them, their lines, and files of one text per line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from mlx_finbert.data.tables.compressed import open_bytes
from mlx_finbert.data.tables.encodings import TextFormat
from mlx_finbert.data.tables.records import Record, TableFile, missing_column
from mlx_finbert.errors import InputError

SAMPLE_LINES = 200
SAMPLE_CHARACTERS = 1 << 20
"""The limits of the beginning of a file from which its format is detected."""

MOST_IN_LINE = 1 << 26

TEXT = "text"
"""The name of the only column of a file with one text per line."""

SPELLED = {"\\t": "\t", "tab": "\t"}
"""Spellings of separators that are hard to type in a shell."""


@dataclass(frozen=True)
class ReadOptions:
    """The format of a text file with a table; None means that it is detected."""

    encoding: str | None = None
    delimiter: str | None = None
    """One character, `\\t` or `tab`."""
    header: bool | None = None
    """Whether the first line names the columns; otherwise they are called 1, 2, ..."""

    @property
    def separator(self) -> str | None:
        """The delimiter as one character.

        Raises:
            InputError: If the delimiter is not one character.
        """
        if self.delimiter is None:
            return None
        character = SPELLED.get(self.delimiter, self.delimiter)
        if len(character) != 1 or character in '"\r\n':
            raise InputError(
                f"`delimiter={self.delimiter!r}` is not one character such as , ; | or \\t"
            )
        return character


@contextmanager
def open_text(path: Path, form: TextFormat) -> Iterator[TextIO]:
    """Open a file that is known to be decodable; its lines keep their line ends."""
    with open_bytes(path) as file, BoundedLines(file, path, form) as lines:
        yield lines


class BoundedLines(TextIOWrapper):
    """The lines of a text; a compressed file of a few megabytes may hold one that fills memory."""

    def __init__(self, file: Any, path: Path, form: TextFormat) -> None:
        super().__init__(file, form.encoding, newline=form.newline)
        self.path = path

    def __next__(self) -> str:  # type: ignore[override]
        line = self.readline(MOST_IN_LINE)
        if not line:
            raise StopIteration
        if len(line) == MOST_IN_LINE and not line.endswith(("\n", "\r")):
            raise InputError(
                f"{self.path} has a line of more than {MOST_IN_LINE:,} characters: it is no table"
                " of texts, or its lines end in another character"
            )
        return line


def first_lines(path: Path, form: TextFormat) -> list[str]:
    """Return the lines from which the format of a table is detected."""
    lines: list[str] = []
    size = 0
    with open_text(path, form) as file:
        for line in file:
            lines.append(line)
            size += len(line)
            if len(lines) == SAMPLE_LINES or size > SAMPLE_CHARACTERS:
                break
    return lines


class TextLines(TableFile):
    """A file with one text per line; a blank line is a row without a text."""

    def __init__(self, path: Path, form: TextFormat) -> None:
        self.path, self.form = path, form

    def records(self) -> Iterator[Record]:
        with open_text(self.path, self.form) as file:
            for number, line in enumerate(file, 1):
                yield Record(number, number, {TEXT: line.rstrip("\r\n")})

    def require_columns(self, columns: Mapping[str, str]) -> None:
        for parameter, column in columns.items():
            if column != TEXT:
                where = f"{self.path} (one text per line)"
                raise missing_column([TEXT], column, where, parameter)

    @property
    def notes(self) -> list[str]:
        notes = [self.form.note] if self.form.note else []
        lines = [line for line in first_lines(self.path, self.form) if line.strip()]
        tabs = {line.count("\t") for line in lines}
        if len(lines) > 1 and len(tabs) == 1 and tabs != {0}:
            notes.append(
                f"{self.path}: all lines have tabs, but each line was read as one text, as in every"
                " .txt file; to read columns, add `delimiter=tab`"
            )
        return notes
