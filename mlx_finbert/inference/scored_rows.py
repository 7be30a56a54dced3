"""What scoring adds to a row of a table."""

from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.data.tables.records import Row
from mlx_finbert.inference.sentiment import sentiment_scores


@dataclass
class ScoredRow:
    """What scoring found out about one row."""

    columns: Row
    """The new columns; None where there is no text."""
    sentences: list[Row] = field(default_factory=list)
    """`text` and the prediction of each sentence, where texts are scored by sentence."""


def scored_texts(texts: list[str], probabilities: np.ndarray, labels: list[str]) -> list[ScoredRow]:
    """One prediction for each text; none where it is blank.

    Args:
        texts: N strings.
        probabilities: float (N, num_labels).
        labels: their names.
    """
    return [
        ScoredRow(prediction(row, labels) if text.strip() else dict.fromkeys(text_columns(labels)))
        for text, row in zip(texts, probabilities, strict=True)
    ]


def text_columns(labels: list[str]) -> dict[str, type]:
    """The names and types of the columns that `scored_texts` fills."""
    return types_of(prediction(np.zeros(len(labels)), labels))


def types_of(row: Row) -> dict[str, type]:
    """The type of each column of a scored row; what may be None is a string."""
    return {name: str if value is None else type(value) for name, value in row.items()}


def prediction(probabilities: np.ndarray, labels: list[str]) -> Row:
    """`predicted_label`, `probability_LABEL` for each label, and `score` where they are a scale.

    Args:
        probabilities: float (num_labels,).
        labels: their names.
    """
    row: Row = {"predicted_label": labels[probabilities.argmax()]}
    for label, p in zip(labels, probabilities, strict=True):
        row[f"probability_{label}"] = rounded(p)
    scores = sentiment_scores(probabilities[None], labels)
    return row if scores is None else row | {"score": rounded(scores[0])}


def rounded(value: float) -> float:
    """Six digits: float32 has no more."""
    return round(float(value), 6)
