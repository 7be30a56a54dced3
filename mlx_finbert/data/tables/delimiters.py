"""Detection of the character that separates the columns of a text table.

A separator must occur in the header. If several candidates do, the rows below decide: the right one
gives each row the same number of fields as the header. A file with tabs may contain quotation marks
that do not quote, so its tabs are counted both with and without quoting.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlx_finbert.errors import InputError

CANDIDATES = ",;\t|"

BY_ENDING = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
"""The usual separator of an ending; a comma for all others.

It is used if the header has only one column. A note reports any other separator.
"""

NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}

SEP_LINE = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""The first line that sets the separator for Excel."""


def separator_line(lines: Sequence[str]) -> str | None:
    """Return the separator that a first line like Excel's `sep=;` sets; None otherwise."""
    found = SEP_LINE.fullmatch(lines[0]) if lines else None
    return found and found[1]


def find_delimiter(lines: Sequence[str], ending: str, path: Path) -> str:
    """Detect the separator of a table.

    Args:
        lines: The first lines, with their line ends; the first is the header or a row.
        ending: The ending of the file's name, in lower case.
        path: The file, for messages.

    Raises:
        InputError: If two candidates separate the rows equally well.
    """
    default = BY_ENDING.get(ending, ",")
    agreement = {}
    for candidate in CANDIDATES:
        counts = [list(field_counts(lines, candidate))]
        if candidate == "\t":
            counts.append([line.count(candidate) + 1 for line in lines if line.strip("\r\n")])
        if shares := [share_alike(found) for found in counts if found and found[0] > 1]:
            agreement[candidate] = max(shares)
    if not agreement:
        return default
    best = max(agreement.values())
    found = [candidate for candidate in agreement if agreement[candidate] == best]
    if len(found) > 1:
        raise InputError(
            f"{path}: its columns may be separated by {' or '.join(NAMES[c] for c in found)}:"
            " choose one with `delimiter`"
        )
    return found[0]


def share_alike(counts: Sequence[int]) -> float:
    """Return the share of the other rows that have as many fields as the first one."""
    first, *others = counts
    return sum(found == first for found in others) / max(1, len(others))


def field_counts(lines: Iterable[str], delimiter: str) -> Iterator[int]:
    """Yield the number of fields of each row that is not blank; -1 if its quoting is wrong."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            if row := next(reader):
                yield len(row)
        except csv.Error:
            yield -1
        except StopIteration:
            return


def has_literal_quotes(lines: Iterable[str], delimiter: str) -> bool:
    """Whether quotation marks are part of the texts, as in a TSV file without quoting.

    This is the case if every line has the same number of separators, at least one, but the rows
    have different numbers of fields when quotation marks are taken as quoting.

    Args:
        lines: The lines of the whole file.
        delimiter: The separator of the fields.
    """
    separators: set[int] = set()

    def counted() -> Iterator[str]:
        for line in lines:
            if line.strip("\r\n"):
                separators.add(line.count(delimiter))
            if len(separators) > 1:
                return
            yield line

    fields = set(field_counts(counted(), delimiter))
    return len(separators) == 1 and 0 not in separators and fields != {n + 1 for n in separators}
