"""The columns that scoring adds to a row of a table: label, probabilities and sentiment score."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from mlx_finbert.data.tables.records import Row
from mlx_finbert.labels import canonical


@dataclass
class ScoredRow:
    """The result of scoring one row."""

    columns: Row
    """The new columns; their values are None without a text."""
    sentences: list[Row] = field(default_factory=list)
    """`text` and the prediction of each sentence, if texts are scored by sentence."""


def scored_texts(texts: list[str], probabilities: np.ndarray, labels: list[str]) -> list[ScoredRow]:
    """Make a row for each text; a blank text gets no prediction.

    Args:
        texts: N strings.
        probabilities: float (N, num_labels).
        labels: names of the labels.
    """
    return [
        ScoredRow(prediction(row, labels) if text.strip() else dict.fromkeys(text_columns(labels)))
        for text, row in zip(texts, probabilities, strict=True)
    ]


def text_columns(labels: list[str]) -> dict[str, type]:
    """The names and types of the columns that `scored_texts` fills."""
    return types_of(prediction(np.zeros(len(labels)), labels))


def types_of(row: Row) -> dict[str, type]:
    """The type of each column of a scored row; a column that may be None is a string."""
    return {name: str if value is None else type(value) for name, value in row.items()}


def prediction(probabilities: np.ndarray, labels: list[str]) -> Row:
    """Make the columns `predicted_label`, `probability_LABEL`, and `score` if labels are a scale.

    Args:
        probabilities: float (num_labels,).
        labels: names of the labels.
    """
    row: Row = {"predicted_label": labels[probabilities.argmax()]}
    for label, p in zip(labels, probabilities, strict=True):
        row[f"probability_{label}"] = rounded(p)
    scores = sentiment_scores(probabilities[None], labels)
    return row if scores is None else row | {"score": rounded(scores[0])}


def rounded(value: float) -> float:
    """Round to six digits, as float32 has no more."""
    return round(float(value), 6)


SIDES = {"negative": -1, "sell": -1, "neutral": 0, "hold": 0, "positive": 1, "buy": 1}

DEGREES = {
    **dict.fromkeys(("slightly", "somewhat", "weak", "weakly"), 1),
    **dict.fromkeys(("very", "strong", "strongly", "extremely", "highly"), 3),
}
"""Distance from neutral by a label's first word; 2 for a label without such a word."""

STARS = {1, 2, 3, 4, 5}


def sentiment_scores(probabilities: np.ndarray, labels: Sequence[str]) -> np.ndarray | None:
    """Compute the expected value on the labels' scale: the sum of `P(label) * position(label)`.

    With the labels positive and negative, with or without neutral, this is P(positive) -
    P(negative).

    Args:
        probabilities: float (N, num_labels).
        labels: names of the labels.

    Returns:
        float64 (N,), from -1 to 1; None if `scale_positions` knows no scale for the labels.
    """
    positions = scale_positions(tuple(labels))
    return None if positions is None else (probabilities.astype(np.float64) * positions).sum(axis=1)


@cache
def scale_positions(labels: tuple[str, ...]) -> np.ndarray | None:
    """Find the positions of labels on an evenly spaced scale from -1 to 1.

    Known scales are negative (neutral) positive, `sell hold buy`, the same with degrees
    (`very negative`, `strong buy`), equally many on each side, and `1 star` to `5 stars`. Case,
    `_` and `-` do not matter.

    Returns:
        float64 (num_labels,); None if a label, such as `mixed`, is not on the scale.
    """
    words = [re.split(r"[\s_-]+", label.strip().casefold()) for label in labels]
    levels = _stars(words) or _degrees(words)
    if levels is None:
        return None
    return np.linspace(-1, 1, len(levels))[np.argsort(np.argsort(levels))]


def has_sides(labels: Sequence[str]) -> bool:
    """Whether the labels include positive and negative."""
    return {"positive", "negative"} <= set(map(canonical, labels))


def _stars(words: list[list[str]]) -> list[int] | None:
    found = [re.fullmatch(r"([1-5])[ ]?stars?", " ".join(label)) for label in words]
    levels = [int(match[1]) for match in found if match]
    return levels if len(levels) == len(words) and sorted(levels) == sorted(STARS) else None


def _degrees(words: list[list[str]]) -> list[int] | None:
    levels = [level for label in words if (level := _degree(label)) is not None]
    if len(levels) < len(words) or len(set(levels)) < max(2, len(levels)):
        return None
    return levels if set(levels) == {-level for level in levels} else None


def _degree(words: list[str]) -> int | None:
    """The signed distance from neutral of a label; None if it is not a sentiment."""
    *degree, name = words
    side = SIDES.get(canonical(name))
    if side is None or len(degree) > 1 or (degree and not side):
        return None
    degrees = [DEGREES.get(word) for word in degree] or [2]
    return None if degrees[0] is None else side * degrees[0]
