"""The header of a text table: its detection, and names for columns that have none."""

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
"""The usual names of columns in tables of labelled texts."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)

WORDS_OF_A_TEXT = 6
"""A cell with this many words is a text, not a name."""

MOST_QUOTED = 40
"""The most characters of a cell that a message quotes."""


class Header:
    """The names of a table's columns: the first line, or numbers if the first line is a row."""

    def __init__(
        self,
        path: Path,
        first: Sequence[str],
        sample: Sequence[Sequence[str]],
        said: bool | None = None,
    ) -> None:
        """
        Args:
            path: The file, for messages.
            first: The cells of the first line.
            sample: The cells of some rows below it.
            said: Whether the first line is a header; None if the user does not say.

        Raises:
            InputError: If two columns have one name, or the user is clearly wrong.
        """
        self.path, self.first, self.said = path, first, said
        self.names = [cell.strip() for cell in first]
        self.sample = [row for row in sample if not self.is_again(row)]
        self.is_there = said is not False
        self.unnamed: list[int] = []
        """The positions of the columns without a name, from 0.

        The first column is not included: without a name it is the index of pandas.
        """
        if not self.is_there:
            self.columns = [str(i + 1) for i in range(len(first))]
            if names_columns(first, sample):
                raise InputError(
                    f"{path}: `header=False` was given, but the first line names the columns"
                    f" ({', '.join(filter(None, first))}): remove `header=False`"
                )
            return
        if twice := repeated([name for name in self.names if name]):
            raise InputError(
                f"{path}: two columns have one name, {twice[0]!r}: rename one of them in the header"
            )
        self.columns = column_names(first)
        self.unnamed = [i for i, name in enumerate(self.names) if i and not name]

    def is_again(self, row: Sequence[str]) -> bool:
        """Whether a row repeats the header, as in files that were joined."""
        cells = [cell.strip("\ufeff ") for cell in row]
        return len(row) > 1 and [*filter(None, cells)] == [*filter(None, self.names)]

    def require(self, columns: Mapping[str, str]) -> None:
        """Refuse a table that lacks one of the columns, or whose header is a row.

        Args:
            columns: The names of the columns, by the parameters that give them.

        Raises:
            InputError: If the table does not fit; names the parameters that correct this.
        """
        lacking = [parameter for parameter, name in columns.items() if name not in self.columns]
        reason = reads_as_data(self.first, self.sample) if self.said is None else None
        if reason and (lacking or self._is_named_by_a_row(columns)):
            raise InputError(
                f"{self.path}: the first line looks like data ({reason}): add `header=False` and"
                f" name the columns by number, for example {self._suggestion(columns)}; or add"
                " `header=True` if it does name the columns"
            )
        for parameter in lacking:
            error = missing_column(self.columns, columns[parameter], str(self.path), parameter)
            if self.said is None and not names_columns(self.first, self.sample):
                error.args = (f"{error}, or add `header=False` if the first line is a row",)
            raise error

    def _is_named_by_a_row(self, columns: Mapping[str, str]) -> bool:
        """Whether the name of the label column also occurs as a label in it."""
        label = columns.get("label_column")
        if label not in self.columns:
            return False
        at = self.columns.index(label)
        return label in [row[at].strip() for row in self.sample if len(row) > at]

    def _suggestion(self, columns: Mapping[str, str]) -> str:
        """Return parameters that probably name the right columns."""
        rows = [row for row in [self.first, *self.sample] if len(row) == len(self.first)]
        text, label = likely_columns(rows)
        given = f"`text_column={text}`"
        if "label_column" in columns and label is not None:
            given += f" `label_column={label}`"
        return given


def column_names(header: Sequence[str]) -> list[str]:
    """Return a name for each column; columns without one get pandas' names: `Unnamed: 0`, ..."""
    names = [cell.strip() for cell in header]
    for i, name in enumerate(names):
        if not name:
            names[i] = f"Unnamed: {i}"
            while names[i] in names[:i] + names[i + 1 :]:
                names[i] += ".1"
    return names


def reads_as_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    """Return the reason why a first line is a row and not a header; None if there is none.

    Args:
        first: The cells of the first line.
        rows: The cells of some rows below it.
    """
    for i, cell in enumerate(first):
        below = [row[i].strip() for row in rows if len(row) == len(first)]
        if cell.strip() and cell.strip() in below:
            return f"{cell.strip()!r} occurs again in column {i + 1}"
        if len(cell.split()) >= WORDS_OF_A_TEXT:
            beginning = cell if len(cell) <= MOST_QUOTED else f"{cell[: MOST_QUOTED - 3]}..."
            return f"column {i + 1} begins with {beginning!r}"
        if NUMBER.fullmatch(cell.strip()) and below and all(map(NUMBER.fullmatch, below)):
            return f"column {i + 1} has only numbers"
    return None


def names_columns(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first line is clearly a header: most names are usual ones that occur in no row."""
    cells = [cell.strip().casefold() for cell in first if cell.strip()]
    known = [cell for cell in cells if cell in WORDS_OF_HEADERS]
    if not cells or 2 * len(known) <= len(cells):
        return False
    below = {cell.strip().casefold() for row in rows for cell in row}
    return not below & set(known)


def likely_columns(rows: Sequence[Sequence[str]]) -> tuple[int, int | None]:
    """Guess the text column (most words) and the label column (fewest values).

    Args:
        rows: The cells of some rows, all of one width.

    Returns:
        The numbers of the two columns, from 1; the second is None if there is only one column.
    """
    columns = list(zip(*rows, strict=True))
    words = [sum(len(cell.split()) for cell in cells) for cells in columns]
    text = words.index(max(words))
    others = [i for i in range(len(columns)) if i != text]
    label = min(others, key=lambda i: len(set(columns[i])), default=None)
    return text + 1, None if label is None else label + 1
