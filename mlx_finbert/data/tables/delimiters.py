"""Which character separates the columns of a table in text form.

The header decides: a candidate that it does not hold separates nothing. Where it holds several,
the rows below decide: the right one gives each of them the header's number of fields. A file with
tabs may hold quotation marks that quote nothing, so its tabs are counted with and without them.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlx_finbert.errors import InputError

CANDIDATES = ",;\t|"

BY_ENDING = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
"""What an ending promises, a comma where it is another: the separator where the header has only one
column, while any other than this is worth a sentence."""

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
            f"{path}: {' or '.join(NAMES[c] for c in found)} may separate its columns: say which"
            " with --delimiter"
        )
    return found[0]


def share_alike(counts: Sequence[int]) -> float:
    """The share of rows with as many fields as the first one, which does not count itself."""
    first, *others = counts
    return sum(found == first for found in others) / max(1, len(others))


def field_counts(lines: Iterable[str], delimiter: str) -> Iterator[int]:
    """The number of fields of each row that is not blank; -1 where the quotation is wrong."""
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
    """Whether quotation marks are part of the texts, as in a TSV file that quotes nothing.

    So it is where every line has the same number of separators, one at least, but not every row
    the same number of fields once quotation marks quote.

    Args:
        lines: of the whole file.
        delimiter: what separates the fields.
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
