"""Whether a table's first line names its columns, and what columns without a name are called."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlx_finbert.data.tables.records import missing_column, repeated
from mlx_finbert.errors import InputError

WORDS_OF_HEADERS = {
    *("text", "sentence", "headline", "title", "body", "content", "message", "review", "comment"),
    *("tweet", "news", "summary", "label", "sentiment", "category", "class", "target", "polarity"),
    *("score", "rating", "stars", "id", "index", "date", "time", "source", "url", "ticker"),
    *("company", "split", "v1", "v2"),
}
"""What the columns of texts and labels are usually called."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)

WORDS_OF_A_TEXT = 6
"""A cell with this many words is a text, not a name."""

MOST_QUOTED = 40
"""Characters of a cell in a message."""


class Header:
    """The names of a table's columns: its first line, or numbers where that is a row."""

    def __init__(
        self,
        path: Path,
        first: Sequence[str],
        sample: Sequence[Sequence[str]],
        said: bool | None = None,
    ) -> None:
        """
        Args:
            path: for messages.
            first: the cells of the first line.
            sample: those of some rows below it.
            said: whether the first line is a header, where the user says so.

        Raises:
            InputError: where two columns have one name, or the user is surely wrong.
        """
        self.path, self.first, self.said = path, first, said
        self.names = [cell.strip() for cell in first]
        self.sample = [row for row in sample if not self.is_again(row)]
        self.is_there = said is not False
        self.unnamed: list[int] = []
        """The positions of the columns without a name, from 0; the first is the index of pandas."""
        if not self.is_there:
            self.columns = [str(i + 1) for i in range(len(first))]
            if names_columns(first, sample):
                raise InputError(
                    f"{path}: --no-header was given, but the first line names the columns"
                    f" ({', '.join(filter(None, first))}): leave --no-header out"
                )
            return
        if twice := repeated([name for name in self.names if name]):
            raise InputError(
                f"{path}: two columns have one name, {twice[0]!r}: rename one of them in the header"
            )
        self.columns = column_names(first)
        self.unnamed = [i for i, name in enumerate(self.names) if i and not name]

    def is_again(self, row: Sequence[str]) -> bool:
        """Whether a row is the first line of a second file that was put behind the first."""
        cells = [cell.strip("\ufeff ") for cell in row]
        return len(row) > 1 and [*filter(None, cells)] == [*filter(None, self.names)]

    def require(self, columns: Mapping[str, str]) -> None:
        """Refuse a table without one of the columns, or whose header is a row.

        Args:
            columns: their names, by the flags that give them.

        Raises:
            InputError: with the flags that mend it.
        """
        lacking = [flag for flag, name in columns.items() if name not in self.columns]
        reason = reads_as_data(self.first, self.sample) if self.said is None else None
        if reason and (lacking or self._is_named_by_a_row(columns)):
            raise InputError(
                f"{self.path}: the first line reads as data ({reason}): add --no-header and name"
                f" the columns by number, for instance {self._suggestion(columns)}; or add --header"
                " if it does name the columns"
            )
        for flag in lacking:
            error = missing_column(self.columns, columns[flag], str(self.path), flag)
            if self.said is None and not names_columns(self.first, self.sample):
                error.args = (f"{error}, or add --no-header where the first line is a row",)
            raise error

    def _is_named_by_a_row(self, columns: Mapping[str, str]) -> bool:
        """Whether the name of the label column is the label of a first row."""
        label = columns.get("--label-column")
        if label not in self.columns:
            return False
        at = self.columns.index(label)
        return label in [row[at].strip() for row in self.sample if len(row) > at]

    def _suggestion(self, columns: Mapping[str, str]) -> str:
        """The flags that probably name the columns."""
        rows = [row for row in [self.first, *self.sample] if len(row) == len(self.first)]
        text, label = likely_columns(rows)
        flags = f"--text-column {text}"
        if "--label-column" in columns and label is not None:
            flags += f" --label-column {label}"
        return flags


def column_names(header: Sequence[str]) -> list[str]:
    """A name for each column; those without are called as pandas does: `Unnamed: 0`, ..."""
    names = [cell.strip() for cell in header]
    for i, name in enumerate(names):
        if not name:
            names[i] = f"Unnamed: {i}"
            while names[i] in names[:i] + names[i + 1 :]:
                names[i] += ".1"
    return names


def reads_as_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    """What shows that a first line is a row and no header; None where nothing does.

    Args:
        first: its cells.
        rows: those of some rows below it.
    """
    for i, cell in enumerate(first):
        below = [row[i].strip() for row in rows if len(row) == len(first)]
        if cell.strip() and cell.strip() in below:
            return f"{cell.strip()!r} occurs again in column {i + 1}"
        if len(cell.split()) >= WORDS_OF_A_TEXT:
            beginning = cell if len(cell) <= MOST_QUOTED else f"{cell[: MOST_QUOTED - 3]}..."
            return f"column {i + 1} begins with {beginning!r}"
        if NUMBER.fullmatch(cell.strip()) and below and all(map(NUMBER.fullmatch, below)):
            return f"column {i + 1} has numbers alone"
    return None


def names_columns(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first line is surely a header: usual names that do not occur below."""
    cells = [cell.strip().casefold() for cell in first if cell.strip()]
    known = [cell for cell in cells if cell in WORDS_OF_HEADERS]
    if not cells or 2 * len(known) <= len(cells):
        return False
    below = {cell.strip().casefold() for row in rows for cell in row}
    return not below & set(known)


def likely_columns(rows: Sequence[Sequence[str]]) -> tuple[int, int | None]:
    """Of the numbers to suggest, from 1: that of the most words and of the fewest values.

    Args:
        rows: cells of some rows of one width; the second number is None for one column.
    """
    columns = list(zip(*rows, strict=True))
    words = [sum(len(cell.split()) for cell in cells) for cells in columns]
    text = words.index(max(words))
    others = [i for i in range(len(columns)) if i != text]
    label = min(others, key=lambda i: len(set(columns[i])), default=None)
    return text + 1, None if label is None else label + 1
