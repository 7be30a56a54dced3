"""An evaluation as text for a terminal."""

import shutil
from collections.abc import Iterator, Sequence
from unicodedata import combining, east_asian_width

import numpy as np

from mlx_finbert.evaluation.calibration import BINS
from mlx_finbert.evaluation.metrics import Metrics, dash, largest_confusions

LONGEST_NAME = 32
"""Characters to which a label's name is cut, unless two labels would then look the same."""
MOST_LABELS = 12
"""With more labels than this, or too wide a matrix, the largest confusions are listed."""
NO_TERMINAL = (100, 24)
"""Columns and lines where the output is no terminal and `COLUMNS` is not set."""


def figure_lines(
    metrics: Metrics, intervals: dict[str, np.ndarray], names: Sequence[str]
) -> Iterator[str]:
    """A line for each of the named figures, with its interval, under a heading."""
    yield f"{'':<12}value  95% interval"
    for name in names:
        low, high = intervals[name]
        yield f"{name:<10}{getattr(metrics, name):>7.4f}  {low:.4f} to {high:.4f}"


def ece_line(ece: float) -> str:
    """The expected calibration error, which has no interval."""
    return f"{'ece':<10}{ece:>7.4f}  {BINS} bins"


def label_lines(
    metrics: Metrics, intervals: dict[str, np.ndarray], label_names: list[str]
) -> Iterator[str]:
    """Precision, recall and F1 of each label with their intervals, and its rows."""
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
    """The confusion matrix where it fits the terminal, else the ten largest confusions."""
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
    """`true -> predicted: rows` of the ten largest confusions."""
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
    """Names on one line, and cut where no two of them become one."""
    short = [shortened(name, LONGEST_NAME) for name in names]
    return short if len(set(short)) == len(names) else [shortened(n, len(n)) for n in names]


def padded(text: str, width: int) -> str:
    """Filled with spaces on the right; for a negative width, on the left."""
    space = " " * (abs(width) - columns_of(text))
    return text + space if width > 0 else space + text


def columns_of(text: str) -> int:
    """The columns of a terminal that a text takes: two for each wide character."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shortened(name: str, longest: int) -> str:
    """On one line, without control characters, and cut."""
    name = "".join(c for c in " ".join(name.split()) if not is_control(c))
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def is_control(character: str) -> bool:
    """Control characters, and the halves of characters that a path may hold."""
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000
