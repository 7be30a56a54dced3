"""The table to score, and the refusal of what cannot be scored."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.data.tables import READERS, Row, read_rows, require_column
from mlx_finbert.data.writers import WRITERS
from mlx_finbert.errors import InputError


@dataclass
class Table:
    """A file with a column of texts."""

    path: Path
    text_column: str
    encoding: str

    def rows(self) -> Iterator[Row]:
        return read_rows(self.path, self.encoding)

    def texts(self, rows: list[Row]) -> list[str]:
        """The texts of rows, empty where there is none."""
        return [row[self.text_column] or "" for row in rows]

    def checked_rows(self, new_columns: list[str]) -> int:
        """Read all rows once; returns their number.

        Raises:
            InputError: names the file, the row and the column.
        """
        if self.path.suffix.lower() not in READERS:
            raise InputError(f"--input {self.path}: the ending is not one of {', '.join(READERS)}")
        number = 0
        for number, row in enumerate(self.rows(), 1):
            self._check(row, f"{self.path}, row {number}", new_columns)
        if not number:
            raise InputError(f"--input {self.path} has no rows")
        return number

    def _check(self, row: Row, where: str, new_columns: list[str]) -> None:
        require_column(row, self.text_column, where, "--text-column")
        text = row[self.text_column]
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
