"""Whether a table's first line names its columns, and what columns without a name are called."""

import re
from collections.abc import Sequence

WORDS_OF_HEADERS = {
    *("text", "sentence", "headline", "title", "body", "content", "message", "review", "comment"),
    *("tweet", "news", "summary", "label", "sentiment", "category", "class", "target", "polarity"),
    *("score", "rating", "stars", "id", "index", "date", "time", "source", "url", "ticker"),
    *("company", "split", "v1", "v2"),
}
"""What the columns of texts and labels are usually called."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)

WORDS_OF_A_TEXT = 6
"""A cell with so many words is a text and no name."""


def column_names(header: Sequence[str]) -> list[str]:
    """A name for each column; those without are called as pandas does: `Unnamed: 0`, ..."""
    names = [cell.strip() for cell in header]
    for i, name in enumerate(names):
        if not name:
            names[i] = f"Unnamed: {i}"
            while names[i] in names[:i] + names[i + 1 :]:
                names[i] += ".1"
    return names


def unnamed_columns(header: Sequence[str]) -> list[int]:
    """The places of the columns without a name, from 0."""
    return [i for i, cell in enumerate(header) if not cell.strip()]


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
            return f"column {i + 1} begins with {shortened(cell)!r}"
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
    """Of the numbers to suggest, from 1: that of the longest texts and of the fewest values.

    Args:
        rows: cells of some rows of one width; the second number is None for one column.
    """
    columns = list(zip(*rows, strict=True))
    text = max(range(len(columns)), key=lambda i: sum(map(len, columns[i])))
    others = [i for i in range(len(columns)) if i != text]
    label = min(others, key=lambda i: len(set(columns[i])), default=None)
    return text + 1, None if label is None else label + 1


def shortened(cell: str, most: int = 40) -> str:
    """The beginning of a cell, for a message."""
    return cell if len(cell) <= most else cell[: most - 3] + "..."
