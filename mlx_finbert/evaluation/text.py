"""Formats an evaluation as text for a terminal."""

import shutil
from collections.abc import Iterator, Sequence
from typing import Literal
from unicodedata import combining, east_asian_width

import numpy as np

from mlx_finbert.evaluation.calibration import BINS
from mlx_finbert.evaluation.metrics import Metrics, dash, largest_confusions

LONGEST_NAME = 32
"""Maximum characters of a label's name, unless two labels would then look the same."""
MOST_LABELS = 12
"""With more labels, or too wide a matrix, only the largest confusions are listed."""
NO_TERMINAL = (100, 24)
"""Columns and lines if the output is not a terminal and `COLUMNS` is not set."""


def figure_lines(
    metrics: Metrics, intervals: dict[str, np.ndarray], names: Sequence[str]
) -> Iterator[str]:
    """A heading, then a line for each of the named figures with its interval."""
    yield f"{'':<12}value  95% interval"
    for name in names:
        low, high = intervals[name]
        yield f"{name:<10}{getattr(metrics, name):>7.4f}  {low:.4f} to {high:.4f}"


def ece_line(ece: float, sign: Literal["-", "+"] = "-") -> str:
    """The line of the expected calibration error, which has no interval.

    `sign` is "+" for a difference, which shows the sign of a positive number too.
    """
    return f"{'ece':<10}{ece:>{sign}z7.4f}  {BINS} bins"


def label_lines(
    metrics: Metrics, intervals: dict[str, np.ndarray], label_names: list[str]
) -> Iterator[str]:
    """A line for each label: precision, recall and F1 with intervals, and its row count."""
    names = short_names(label_names)
    width = max(5, *map(columns_of, names)) + 2
    figures = ("precision", "recall", "f1")
    yield f"{'label':<{width}}" + "".join(f"{name:<20}" for name in figures) + "rows"
    for i, name in enumerate(names):
        cells = ""
        for figure in figures:
            low, high = (dash(bound, ".3f") for bound in intervals[figure][:, i])
            value = dash(getattr(metrics, figure)[i], ".3f")
            cells += f"{value if value == '-' else f'{value} ({low}-{high})':<20}"
        yield f"{padded(name, width)}{cells}{metrics.confusion[i].sum():,}"


def confusion_lines(confusion: np.ndarray, label_names: list[str]) -> Iterator[str]:
    """The confusion matrix if it fits the terminal, otherwise the ten largest confusions."""
    names = short_names(label_names)
    width = max(5, *map(columns_of, names)) + 2
    terminal = shutil.get_terminal_size(NO_TERMINAL).columns
    if len(names) > MOST_LABELS or width + len(names) * (width + 2) > max(terminal, 80):
        yield from largest_lines(confusion, names)
        return
    yield padded("true", width) + "".join(padded(name, -width - 2) for name in names)
    for name, counts in zip(names, confusion, strict=True):
        yield padded(name, width) + "".join(f"{n:>{width + 2},}" for n in counts)


def largest_lines(confusion: np.ndarray, names: list[str]) -> Iterator[str]:
    """Lines `true -> predicted: rows` for the ten largest confusions."""
    wrong = confusion.sum() - np.trace(confusion)
    if not wrong:
        yield "no row is wrong"
        return
    found = largest_confusions(confusion)
    shown = sum(rows for *_, rows in found)
    yield f"largest confusions, true -> predicted: rows ({shown:,} of the {wrong:,} wrong rows)"
    for true, predicted, rows in found:
        yield f"{names[true]} -> {names[predicted]}: {rows:,}"


def short_names(names: list[str]) -> list[str]:
    """Shorten names; keep their full length if two short names would be equal."""
    short = [shortened(name, LONGEST_NAME) for name in names]
    return short if len(set(short)) == len(names) else [shortened(n, len(n)) for n in names]


def padded(text: str, width: int) -> str:
    """Pad with spaces on the right; for a negative width, on the left."""
    space = " " * (abs(width) - columns_of(text))
    return text + space if width > 0 else space + text


def columns_of(text: str) -> int:
    """The terminal columns that a text takes: two for each wide character."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shortened(name: str, longest: int) -> str:
    """Put a name on one line, without control characters, and cut it."""
    name = "".join(c for c in " ".join(name.split()) if not is_control(c))
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def is_control(character: str) -> bool:
    """Whether a character is a control character, or a lone surrogate, as paths may hold."""
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000
