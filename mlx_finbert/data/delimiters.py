"""Which character separates the columns of a table in text form.

The header decides: a candidate that it does not hold separates nothing. Where it holds several,
the rows below decide: the right one gives each of them the header's number of fields.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlx_finbert.errors import InputError

CANDIDATES = ",;\t|"

BY_ENDING = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
"""What separates the columns where the header has only one."""

USUAL = {".csv": ",", **BY_ENDING}
"""What an ending promises; anything else is worth a sentence."""

NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}

SEP_LINE = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""The first line by which Excel is told the separator."""


def separator_line(lines: Sequence[str]) -> str | None:
    """The separator that the first line sets, where it is Excel's `sep=;`."""
    found = SEP_LINE.fullmatch(lines[0]) if lines else None
    return found and found[1]


def find_delimiter(lines: Sequence[str], ending: str, path: Path) -> str:
    """The separator of a table.

    Args:
        lines: the first lines, with their line ends; the first is the header, or a row.
        ending: of the file's name, in lower case.
        path: for messages.

    Raises:
        InputError: where two candidates separate the rows equally well.
    """
    default = BY_ENDING.get(ending, ",")
    agreement = {}
    for candidate in CANDIDATES:
        first, *others = field_counts(lines, candidate) or [0]
        if first > 1:
            agreement[candidate] = sum(n == first for n in others) / max(1, len(others))
    if not agreement:
        return default
    best = max(agreement.values())
    found = [candidate for candidate in agreement if agreement[candidate] == best]
    if len(found) > 1:
        raise InputError(
            f"{path}: {' or '.join(NAMES[c] for c in found)} may separate its columns: say which"
            " with --delimiter"
        )
    return found[0]


def field_counts(lines: Iterable[str], delimiter: str) -> list[int]:
    """The number of fields of each row that is not blank; -1 where the quotation is wrong."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    counts = []
    while True:
        try:
            if row := next(reader):
                counts.append(len(row))
        except csv.Error:
            counts.append(-1)
        except StopIteration:
            return counts


def has_literal_quotes(lines: Iterable[str], delimiter: str) -> bool:
    """Whether quotation marks are part of the texts, as in a TSV file that quotes nothing.

    So it is where every line has the same number of separators, so that no field can hold one or
    run on, and where a line read on its own as quoted fields is malformed.

    Args:
        lines: of the whole file.
        delimiter: what separates the fields.
    """
    width, malformed = None, False
    for line in lines:
        if not line.strip("\r\n"):
            continue
        width = width or line.count(delimiter)
        if line.count(delimiter) != width:
            return False
        if '"' in line and not malformed:
            malformed = field_counts([line], delimiter) != [width + 1]
    return malformed
