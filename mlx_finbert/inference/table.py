"""The table to score; refuses rows and files that cannot be scored."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlx_finbert.data.bad_rows import ROWS_SHOWN
from mlx_finbert.data.tables import open_table
from mlx_finbert.data.tables.records import (
    MissingColumnError,
    Record,
    Row,
    TableFile,
    require_column,
    value_of,
)
from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.data.tables.writers import ENDINGS, TableWriter
from mlx_finbert.errors import InputError, quoted
from mlx_finbert.files.paths import require_room
from mlx_finbert.inference.parts import SUFFIX as PARTS
from mlx_finbert.inference.parts import in_parts


@dataclass
class Table:
    """A file with a column of texts. It is read several times, and must give the same rows."""

    path: Path
    text_column: str
    options: ReadOptions = field(default_factory=ReadOptions)
    digests: list[bytes] = field(default_factory=list, init=False)
    """SHA-256 of the rows of each part, as read by `checked_rows`."""
    num_empty: int = field(default=0, init=False)
    """Rows without a text."""
    num_lacking: int = field(default=0, init=False)
    """Rows without the text column: JSON may leave out null values."""
    lacking: InputError | None = field(default=None, init=False)
    """The error for the first such row, raised if all rows lack the column."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that affect how the file is read."""
        return {"text_column": self.text_column, **asdict(self.options)}

    @cached_property
    def file(self) -> TableFile:
        """The opened file; its format is detected once."""
        return open_table(self.path, self.options)

    @property
    def sha256(self) -> str:
        """SHA-256 of all rows, in hexadecimal."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def rows(self) -> Iterator[Row]:
        return (record.values for record in self.file.records())

    def texts(self, rows: list[Row]) -> list[str]:
        """The texts of rows; empty for a row without a text."""
        return [self.text(row) or "" for row in rows]

    def text(self, row: Row) -> Any:
        """The text of a row; None if it has none."""
        with suppress(KeyError):
            return value_of(row, self.text_column)

    def checked_rows(self, writer: TableWriter) -> int:
        """Read and check all rows once; return their number.

        Args:
            writer: the output's writer, which checks the rows too.

        Raises:
            InputError: names the file, the row and the column; or the first ten rows that cannot
                be read, since the output must hold a prediction for each row.
        """
        self.file.require_columns({"text_column": self.text_column})
        count, faults = 0, []
        for records in in_parts(self.file.records()):
            count += len(records)
            faults += [self._fault(record) for record in records if record.fault]
            if not faults:
                self._see(records, writer)
        if self.num_lacking == count and self.lacking:
            raise self.lacking
        if faults:
            shown = "; ".join(faults[:ROWS_SHOWN])
            counted = f"{len(faults):,} rows cannot be read: " if len(faults) > 1 else ""
            raise InputError(counted + shown)
        if not count:
            raise InputError(f"`input={self.path}` has no rows to score")
        return count

    def _fault(self, record: Record) -> str:
        return f"{record.where(self.path)}: {record.fault}"

    def _see(self, records: list[Record], writer: TableWriter) -> None:
        rows = [record.values for record in records]
        for record in records:
            self._check(record.values, record.where(self.path), writer.added)
        writer.check(rows, lambda i: records[i].where(self.path))
        self.digests.append(rows_sha256(rows))
        self.num_empty += sum(not text.strip() for text in self.texts(rows))

    def _check(self, row: Row, where: str, added: Collection[str]) -> None:
        try:
            text = require_column(row, self.text_column, where, "text_column")
        except MissingColumnError as error:
            text, self.num_lacking, self.lacking = None, self.num_lacking + 1, self.lacking or error
        if not isinstance(text, str | None):
            raise InputError(
                f"{where}, column {self.text_column!r}: {quoted(text)} is not a text; choose"
                " another `text_column`"
            )
        if taken := [column for column in added if column in row]:
            raise InputError(
                f"{where} already has a column {taken[0]!r}, which scoring would overwrite:"
                " rename it"
            )

    def parts(self, numbers: Collection[int]) -> Iterator[tuple[int, list[Row]]]:
        """Yield the parts with these numbers and their rows, equal to the rows that were checked.

        Raises:
            InputError: if the file has changed since the check.
        """
        found = in_parts(self.rows())
        last = len(self.digests) - 1
        for number in range(max(numbers, default=-1) + 1):
            try:
                rows = next(found, [])
                is_longer = number == last and next(found, None) is not None
            except InputError as error:
                raise self._changed(f" ({error})") from None
            if number in numbers:
                if is_longer or rows_sha256(rows) != self.digests[number]:
                    raise self._changed()
                yield number, rows

    def _changed(self, reason: str = "") -> InputError:
        return InputError(
            f"{self.path} was changed while it was scored{reason}, so no output was written:"
            " restore the file and run the same command to continue, or add"
            " `overwrite_parts=True` to score the changed file"
        )


def rows_sha256(rows: list[Row]) -> bytes:
    """Hash the names and values of rows, in order."""
    # repr escapes lone surrogates, and is the same in every run for all values of a table.
    return hashlib.sha256(repr(rows).encode("utf-8")).digest()


def check_target(parameter: str, target: Path, others: dict[str, Path]) -> None:
    """Refuse a target that cannot be written or is the same file as another parameter's."""
    if target.suffix.lower() not in ENDINGS:
        raise InputError(
            f"`{parameter}={target}`: the file name must end in one of {', '.join(ENDINGS)}"
        )
    require_room(target, parameter, len(PARTS))
    if target.is_dir():
        raise InputError(f"`{parameter}={target}` is a folder: give a file")
    for other, path in others.items():
        if is_same_file(target, path):
            raise InputError(f"`{parameter}={target}` is the `{other}` file: give another file")


def is_same_file(left: Path, right: Path) -> bool:
    """Whether two paths name the same file, even on a disk that ignores case."""
    if left.exists() and right.exists():
        return left.samefile(right)
    return left.resolve() == right.resolve()
