"""Markdown from plain values: labels, names and paths that no reader takes for markup."""

import re

from mlx_finbert.evaluation.text import is_control

SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$#@!^])")
"""The characters that begin markup inside a line, of CommonMark, its tables and the hub's maths."""


def one_line(text: str) -> str:
    """Replace line ends, other control characters and unpaired surrogates by spaces."""
    return "".join(" " if is_control(c) else c for c in text)


def escaped(text: str) -> str:
    """Escape a text for the inside of a line or of a table's cell."""
    return SPECIAL.sub(r"\\\1", " ".join(one_line(text).split()))


def code(text: str) -> str:
    """A code span that holds the text unchanged, backticks included; not for tables."""
    text = one_line(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of cells that are already Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines).replace("| --- ", "|---")
