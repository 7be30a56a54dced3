"""The columns that scoring adds to a row of a table."""

from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.data.tables.records import Row
from mlx_finbert.inference.sentiment import sentiment_scores


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
