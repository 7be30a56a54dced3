"""Write the tables that make the Swift package's rules for texts and labels equal to Python's.

    python scripts/python_tables.py

The rules for sentences and sentiments use `str.isupper`, `str.isalnum`, `str.casefold` and the
like. Swift's own properties follow the operating system's version of Unicode, so the package has
tables of Python's: those of Python 3.11, the oldest supported. The lists of words are those of
`data/sentences.py`, `inference/scored_rows.py` and `labels.py`. A test compares the file with the
result.
"""

import json
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from unicode_tables import SCALARS, ranges

from mlx_finbert.data import sentences
from mlx_finbert.inference import scored_rows
from mlx_finbert.labels import SYNONYMS

FILE = (
    Path(__file__).parents[1]
    / "convert/swift/Sources/TextClassifierKit/PythonRules/PythonTables.swift"
)
UNICODE = "14.0.0"
"""The version of Unicode in Python 3.11."""

CLASSES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "upper": ("`str.isupper`", str.isupper),
    "lower": ("`str.islower`", str.islower),
    "alphanumeric": ("`str.isalnum`", str.isalnum),
    "digit": ("`str.isdigit`", str.isdigit),
    "decimal": ("`str.isdecimal`, and `\\d` of `re`", str.isdecimal),
    "space": ("`str.isspace`, and `\\s` of `re`", str.isspace),
    "lineEnd": ("Ends of lines by `str.splitlines`", lambda c: len(f"a{c}b".splitlines()) == 2),
}

WORDS = {
    "neverLast": ("Abbreviations that never end a sentence", sentences.NEVER_LAST),
    "seldomLast": (
        "Abbreviations that end a sentence only if a starter follows",
        sentences.SELDOM_LAST,
    ),
    "numbered": (
        "Abbreviations that do not end a sentence if a digit follows",
        sentences.NUMBERED,
    ),
    "starters": ("Words that usually begin a sentence", sentences.STARTERS),
}

MARKS = {
    "stops": ("Marks that end a sentence", sentences.STOPS),
    "closing": ("Closing marks", sentences.CLOSING),
    "opening": ("Opening marks", sentences.OPENING),
}

HEADER = f"""\
// Made by scripts/python_tables.py; do not edit.

/// Classes of scalars in Python's `str`, by Unicode {UNICODE}, as first, last, first, last, ...,
/// and the words of Python's rules.
enum PythonTables {{
"""


def content() -> str:
    """The Swift file."""
    return HEADER + "\n".join(_declarations()) + "}\n"


def folded() -> dict[int, str]:
    """Scalars that `str.casefold` turns into other ASCII, and the result.

    No other scalar can make a word equal to one in a list of ASCII words.
    """
    return {ord(c): c.casefold() for c in SCALARS if c != c.casefold() and c.casefold().isascii()}


def synonyms() -> dict[str, str]:
    """The canonical name of each spelling of a sentiment."""
    return {name: one for one, names in SYNONYMS.items() for name in sorted(names)}


def _declarations() -> Iterator[str]:
    for name, (doc, has) in CLASSES.items():
        codes = map(hex, ranges(c for c in SCALARS if has(c)))
        yield declared(name, doc, "[UInt32]", codes)
    doc = "Scalars that `str.casefold` turns into other ASCII, with the result"
    yield declared("folded", doc, "[UInt32: String]", _entries(folded(), hex))
    for name, (doc, marks) in MARKS.items():
        yield declared(
            name, doc, "Set<Unicode.Scalar>", (f'"\\u{{{ord(mark):x}}}"' for mark in marks)
        )
    for name, (doc, words) in WORDS.items():
        yield declared(name, doc, "Set<String>", map(json.dumps, sorted(words)))
    doc = "Spellings of sentiments, with the canonical name"
    yield declared("synonyms", doc, "[String: String]", _entries(synonyms()))
    doc = "Sides of the sentiments: -1, 0 or 1"
    yield declared("sides", doc, "[String: Int]", _entries(scored_rows.SIDES))
    doc = "Distance from neutral by a label's first word"
    yield declared("degrees", doc, "[String: Int]", _entries(scored_rows.DEGREES))


def _entries(values: Mapping, key: Callable[..., str] = json.dumps) -> Iterator[str]:
    # A line does not break at this space.
    return (f"{key(k)}:\N{NO-BREAK SPACE}{json.dumps(v)}" for k, v in values.items())


def declared(name: str, doc: str, kind: str, values: Iterable[str]) -> str:
    """The Swift declaration of a table, from the literals of its values."""
    indent = " " * 8
    lines = textwrap.wrap(
        ", ".join(values),
        100,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    text = "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")
    return f"    /// {doc}.\n    static let {name}: {kind} = [\n{text},\n    ]\n"


if __name__ == "__main__":
    if unicodedata.unidata_version != UNICODE:
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}: use Python 3.11")
    FILE.write_text(content(), encoding="utf-8")
