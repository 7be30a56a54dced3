"""Write the Unicode tables of the installed `tokenizers`, by probing its behavior.

    python scripts/unicode_tables.py

`tokenizers` follows several versions of Unicode at once, none of them Python's or Swift's. So this
script probes its behavior for each of the 1,112,064 Unicode scalars and writes the results as
ranges to `convert/coreml/tokenizer/unicode_tables.json`, and for apps, with decompositions and
combining classes, to `UnicodeTables.swift`; a test compares both files with the result.
"""

import json
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel

CONVERT = Path(__file__).parents[1] / "convert"
FILE = CONVERT / "coreml/tokenizer/unicode_tables.json"
SWIFT_FILE = CONVERT / "swift/Sources/TextClassifierKit/Tokenizer/UnicodeTables.swift"

SCALARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]

CLASS_WITNESSES = "\u0334\u0300\u0345\u093c"
"""Marks of the combining classes 1, 230, 240 and 7: a mark of any other class moves past one."""


def unicode_tables() -> dict[str, list[Any]]:
    """All tables as ranges: first, last, first, last, ...

    Lower case is first, last, step and distance, or a scalar and the two that replace it.
    """
    nothing = {"handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    clean = BertNormalizer(clean_text=True, **nothing)
    nothing["clean_text"] = False
    spaced = BertNormalizer(**nothing | {"handle_chinese_chars": True})
    stripped = BertNormalizer(**nothing | {"strip_accents": True})
    nfd = NFD()
    cleaned = {c: clean.normalize_str(f"a{c}b")[1:-1] for c in SCALARS}
    decomposed = [c for c in SCALARS if nfd.normalize_str(c) != c]
    for c in decomposed:
        # Unicode's stability policy: a decomposition never changes.
        assert unicodedata.normalize("NFD", c) == nfd.normalize_str(c), c
    whole = set(SCALARS) - set(decomposed)
    spaces, punctuation = _bert_classes()
    letters, numbers = _byte_pair_classes(set(spaces))
    return {
        "dropped": ranges(c for c in SCALARS if not cleaned[c]),
        "to_space": ranges(c for c in SCALARS if cleaned[c] == " "),
        "ideographs": ranges(c for c in SCALARS if spaced.normalize_str(c) != c),
        "decomposed": ranges(decomposed),
        "reordered": ranges(c for c in SCALARS if c in whole and _moves(c, nfd.normalize_str)),
        "marks": ranges(c for c in SCALARS if c in whole and not stripped.normalize_str(c)),
        "white_space": ranges(spaces),
        "punctuation": ranges(punctuation),
        "letters": ranges(letters),
        "numbers": ranges(numbers),
        "word": ranges(_word_characters()),
        "lowercase": list(_lowercase(BertNormalizer(**nothing | {"lowercase": True}))),
    }


def ranges(scalars: Iterable[str]) -> list[int]:
    """Ascending scalars as the first and last scalar of each run."""
    found: list[int] = []
    for code in map(ord, scalars):
        if found and found[-1] == code - 1:
            found[-1] = code
        else:
            found += [code, code]
    return found


def _moves(c: str, nfd: Callable[[str], str]) -> bool:
    """Whether a scalar has a combining class, by which NFD sorts."""
    return any(
        nfd(text) == text[::-1] for other in CLASS_WITNESSES for text in (c + other, other + c)
    )


def _bert_classes() -> tuple[list[str], list[str]]:
    """White space and punctuation, where BERT's words end."""
    pieces = BertPreTokenizer().pre_tokenize_str
    found = {c: [piece for piece, _ in pieces(f"a{c}b")] for c in SCALARS}
    return [c for c in SCALARS if found[c] == ["a", "b"]], [
        c for c in SCALARS if found[c] == ["a", c, "b"]
    ]


def _byte_pair_classes(spaces: set[str]) -> tuple[list[str], list[str]]:
    """Letters and numbers, as in byte-pair words."""
    split = ByteLevel(add_prefix_space=False).pre_tokenize_str
    letters = [c for c in SCALARS if len(split(f"a{c}")) == 1]
    known = set(letters)
    numbers = [c for c in SCALARS if c not in known and len(split(f"1{c}")) == 1]
    known |= set(numbers)
    others = {c for c in SCALARS if c not in known and len(split(f"!{c}")) == 1}
    assert set(SCALARS) - known - others == spaces
    return letters, numbers


def _word_characters() -> list[str]:
    """Scalars next to which an added token with `single_word` is not recognized."""
    tokenizer = Tokenizer(BPE())
    tokenizer.add_tokens([AddedToken("+", single_word=True)])
    encoded = tokenizer.encode_batch([f"+{c}" for c in SCALARS])
    return [c for c, found in zip(SCALARS, encoded, strict=True) if not found.ids]


def _lowercase(lower: BertNormalizer) -> Iterator[list[int]]:
    """Runs of scalars with the same step and the same distance to their lower case."""
    run: list[int] = []
    for c in SCALARS:
        small = lower.normalize_str(c)
        if small == c:
            continue
        code, step = ord(c), ord(c) - run[1] if run else 0
        if len(small) > 1:
            yield [code, *map(ord, small)]
            continue
        distance = ord(small) - code
        fits = run and run[3] == distance and step == (run[2] or step) and step <= 2
        if fits:
            run[1:3] = code, step
        else:
            if run:
                yield run
            run = [code, code, 0, distance]
    yield run


def content(tables: dict[str, list[Any]]) -> str:
    """JSON with one line per table."""
    lines = (
        f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in tables.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


HANGUL = range(0xAC00, 0xD7A4)
"""Syllables, which decompose by arithmetic."""

SWIFT_HEADER = """\
// Written by scripts/unicode_tables.py: do not edit.

/// What Hugging Face's `tokenizers` does with each Unicode scalar. It follows several versions of
/// Unicode at once, none of them the system's.
///
/// Most tables are ranges of scalars: first, last, first, last, ...
enum UnicodeTables {
"""
SWIFT_COMMENTS = {
    "dropped": "Control and format characters, and those for private use.",
    "toSpace": "Characters that cleaning replaces with a space.",
    "ideographs": "Characters that get a space on both sides.",
    "marks": "Marks that are dropped with the accents; none of them has a decomposition.",
    "whiteSpace": "Characters that end words.",
    "punctuation": "Characters that are words of their own for BERT.",
    "letters": "Letters, for words of byte pairs.",
    "numbers": "Numbers, for words of byte pairs.",
    "word": "Characters next to which an added token with `single_word` is not recognized.",
    "decompositions": "Scalar, count, and as many scalars as its canonical decomposition has.",
    "combiningClasses": "First, last and combining class of scalars whose class is not 0.",
    "lowercase": "First, last, step and distance to the lower case.",
    "lowercaseSequences": "Scalar, count, and as many scalars as its lower case has.",
}


def swift_content(tables: dict[str, list[Any]]) -> str:
    """The tables as Swift, with those that Python takes from `unicodedata`."""
    classes = {c: unicodedata.combining(c) for c in _characters(tables["reordered"])}
    decompositions = {
        c: unicodedata.normalize("NFD", c)
        for c in _characters(tables["decomposed"])
        if ord(c) not in HANGUL
    }
    lower = tables["lowercase"]
    written = {_camel_case(name): values for name, values in tables.items()} | {
        "decompositions": _flat([ord(c), len(d), *map(ord, d)] for c, d in decompositions.items()),
        "combiningClasses": _flat(_class_runs(classes)),
        "lowercase": _flat([a, b, step or 1, to] for a, b, step, to in _with_length(lower, 4)),
        "lowercaseSequences": _flat([c, len(d), *d] for c, *d in _with_length(lower, 3)),
    }
    return (
        SWIFT_HEADER
        + "\n".join(_swift_table(name, written[name]) for name in SWIFT_COMMENTS)
        + "}\n"
    )


def _swift_table(name: str, values: list[int]) -> str:
    numbers = textwrap.fill(", ".join(f"{value:#x}" for value in values) + ",", 92)
    return (
        f"    /// {SWIFT_COMMENTS[name]}\n    static let {name}: [Int32] = [\n"
        f"{textwrap.indent(numbers, ' ' * 8)}\n    ]\n"
    )


def _class_runs(classes: dict[str, int]) -> Iterator[list[int]]:
    for number in sorted(set(classes.values())):
        assert number > 0
        found = ranges(c for c, own in classes.items() if own == number)
        yield from ([a, b, number] for a, b in zip(found[::2], found[1::2], strict=True))


def _characters(table: list[int]) -> list[str]:
    pairs = zip(table[::2], table[1::2], strict=True)
    return [chr(code) for first, last in pairs for code in range(first, last + 1)]


def _with_length(entries: list[list[int]], length: int) -> list[list[int]]:
    return [entry for entry in entries if len(entry) == length]


def _flat(entries: Iterable[list[int]]) -> list[int]:
    return [value for entry in entries for value in entry]


def _camel_case(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(map(str.title, more))


if __name__ == "__main__":
    found = unicode_tables()
    FILE.write_text(content(found), encoding="utf-8")
    SWIFT_FILE.write_text(swift_content(found), encoding="utf-8")
