"""The table to score, and the refusal of what cannot be scored."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mlx_finbert.data.read_options import ReadOptions
from mlx_finbert.data.records import Row, TableFile, require_column, value_of
from mlx_finbert.data.tables import open_table
from mlx_finbert.data.writers import WRITERS
from mlx_finbert.errors import InputError

FAULTS_SHOWN = 10
"""Rows that cannot be read and are listed."""


@dataclass
class Table:
    """A file with a column of texts."""

    path: Path
    text_column: str
    options: ReadOptions = field(default_factory=ReadOptions)

    @cached_property
    def file(self) -> TableFile:
        """The file, its form found once."""
        return open_table(self.path, self.options)

    def rows(self) -> Iterator[Row]:
        return (record.values for record in self.file.records())

    def texts(self, rows: list[Row]) -> list[str]:
        """The texts of rows, empty where there is none."""
        return [value_of(row, self.text_column) or "" for row in rows]

    def checked_rows(self, new_columns: list[str]) -> int:
        """Read all rows once; returns their number.

        Raises:
            InputError: names the file, the row and the column; or the first ten rows that cannot
                be read, for the output holds a prediction for each row.
        """
        self.file.require_columns({"--text-column": self.text_column})
        number, faults = 0, 0
        shown: list[str] = []
        for record in self.file.records():
            number = record.number
            where = record.where(self.path)
            if record.fault:
                faults += 1
                shown += [f"{where}: {record.fault}"] * (faults <= FAULTS_SHOWN)
            else:
                self._check(record.values, where, new_columns)
        if faults:
            counted = f"{faults:,} rows cannot be read: " if faults > 1 else ""
            raise InputError(counted + "; ".join(shown))
        if not number:
            raise InputError(f"--input {self.path} has no rows")
        return number

    def _check(self, row: Row, where: str, new_columns: list[str]) -> None:
        text = require_column(row, self.text_column, where, "--text-column")
        if text is not None and not isinstance(text, str):
            raise InputError(f"{where}, column {self.text_column!r}: {text!r} is no text")
        if taken := [column for column in new_columns if column in row]:
            raise InputError(
                f"{where} has a column {taken[0]!r} already, which scoring would overwrite:"
                " rename it"
            )


def check_target(flag: str, target: Path, others: dict[str, Path]) -> None:
    """Refuse a file that cannot be written, or is one of the others, by their flags."""
    if target.suffix.lower() not in WRITERS:
        raise InputError(f"{flag} {target}: the ending is not one of {', '.join(WRITERS)}")
    if target.is_dir():
        raise InputError(f"{flag} {target} is a folder: name a file")
    for other, path in others.items():
        if target.resolve() == path.resolve():
            raise InputError(f"{flag} {target} is the {other} file: name another")
