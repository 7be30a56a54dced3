"""The agreement of a second labelling with the first."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlx_finbert.data.label_names import SENTIMENT_ORDER
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.metrics import confusion_matrix

SECOND_LABELS = Path(__file__).parents[2] / "docs" / "sample_second_labels.csv"
"""Columns text, first and second.

Sentences whose labels differ were then left out of the sample.
"""


def agreement_lines(path: Path) -> Iterator[str]:
    """Agreement, Cohen's kappa, and the counts of each pair of labels."""
    if not path.exists():
        yield f"{path} is not here: no agreement of a second labelling"
        return
    counts = second_labels(path)
    rows, names = int(counts.sum()), SENTIMENT_ORDER
    yield (
        f"second labelling of {rows:,} sentences: {np.trace(counts) / rows:.1%} agree, Cohen's"
        f" kappa {kappa(counts):.3f}"
    )
    yield f"{'first':<12}" + "".join(f"{name:>10}" for name in names) + "  (second)"
    for name, row in zip(names, counts, strict=True):
        yield f"{name:<12}" + "".join(f"{count:>10,}" for count in row)


def second_labels(path: Path) -> np.ndarray:
    """Count int64 (3, 3): rows are the first labels, columns the second, by `SENTIMENT_ORDER`.

    Raises:
        InputError: If the file has no rows, or another label.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = []
    for number, row in enumerate(rows, 1):
        for column in ("first", "second"):
            if row.get(column) not in SENTIMENT_ORDER:
                raise InputError(
                    f"{path}, row {number}, column {column!r}: {row.get(column)!r} is not one of"
                    f" {', '.join(SENTIMENT_ORDER)}"
                )
            ids.append(SENTIMENT_ORDER.index(row[column]))
    if not ids:
        raise InputError(f"{path} has no rows")
    first, second = np.array(ids).reshape(-1, 2).T
    return confusion_matrix(first, second, len(SENTIMENT_ORDER))


def kappa(counts: np.ndarray) -> float:
    """Cohen's kappa (1960) of a square table of counts; NaN if all rows have one label in both."""
    shares = counts / counts.sum()
    by_chance = float(shares.sum(axis=1) @ shares.sum(axis=0))
    agree = float(np.trace(shares))
    return (agree - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan
