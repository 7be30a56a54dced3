"""What scoring adds to a row of a table."""

from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.data.records import Row
from mlx_finbert.labels import canonical


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


def text_columns(labels: list[str]) -> list[str]:
    """The names of the columns that `scored_texts` fills."""
    return list(prediction(np.zeros(len(labels)), labels))


def prediction(probabilities: np.ndarray, labels: list[str]) -> Row:
    """`predicted_label`, a `probability_LABEL` each, and `score` where the labels are sentiments.

    Args:
        probabilities: float (num_labels,).
        labels: their names.
    """
    row: Row = {"predicted_label": labels[probabilities.argmax()]}
    for label, p in zip(labels, probabilities, strict=True):
        row[f"probability_{label}"] = rounded(p)
    scores = sentiment_scores(probabilities[None], labels)
    return row if scores is None else row | {"score": rounded(scores[0])}


def sentiment_scores(probabilities: np.ndarray, labels: list[str]) -> np.ndarray | None:
    """P(positive) - P(negative), from -1 to 1.

    Args:
        probabilities: float (N, num_labels).
        labels: their names.

    Returns:
        float64 (N,), or None where the labels are not sentiments.
    """
    ids = {canonical(label): i for i, label in enumerate(labels)}
    if not {"positive", "negative"} <= ids.keys():
        return None
    values = probabilities.astype(np.float64)
    return values[:, ids["positive"]] - values[:, ids["negative"]]


def rounded(value: float) -> float:
    """Six digits: float32 has no more."""
    return round(float(value), 6)
