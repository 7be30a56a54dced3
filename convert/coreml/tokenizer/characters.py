"""Character classes, exactly as in Hugging Face's `tokenizers`."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mlx_finbert.files.json_text import read_json

TABLES = read_json(Path(__file__).with_name("unicode_tables.json"))
"""Tables by `scripts/unicode_tables.py`. Each is a list of ranges: first, last, first, last, ..."""


def ranges(name: str) -> Iterator[tuple[int, int]]:
    """First and last scalar of each range of a table."""
    return zip(TABLES[name][::2], TABLES[name][1::2], strict=True)


def character_class(name: str) -> str:
    """A table as the content of a regular expression's `[...]`."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges(name))


def characters(name: str) -> str:
    """All characters of a table."""
    return "".join(chr(code) for first, last in ranges(name) for code in range(first, last + 1))


@cache
def lowercase() -> dict[int, str]:
    """The lower case of each scalar that has one, for `str.translate`."""
    found = {}
    for entry in TABLES["lowercase"]:
        if len(entry) == 3:
            code, *small = entry
            found[code] = "".join(map(chr, small))
        else:
            first, last, step, distance = entry
            found |= {code: chr(code + distance) for code in range(first, last + 1, step or 1)}
    return found


@cache
def decompositions() -> dict[int, str]:
    """The canonical decomposition of each scalar that has one, for `str.translate`.

    The set of these scalars depends on the version of Unicode; a decomposition never changes.
    """
    return {ord(c): unicodedata.normalize("NFD", c) for c in characters("decomposed")}
