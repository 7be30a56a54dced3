"""Figures of a classifier from its logits, in numpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

BOOTSTRAP_DRAWS = 2000


@dataclass
class Metrics:
    """What N classified texts show."""

    loss: float
    """Mean cross-entropy in nats."""
    accuracy: float
    macro_f1: float
    """Mean of the labels' F1; a label without rows and predictions counts as 0."""
    precision: np.ndarray
    """float64 (num_labels,); 0 where a label was never predicted."""
    recall: np.ndarray
    """float64 (num_labels,); 0 where a label has no rows."""
    f1: np.ndarray
    """float64 (num_labels,)."""
    confusion: np.ndarray
    """int64 (num_labels, num_labels): rows are the true labels, columns the predicted."""

    def to_dict(self, label_names: list[str]) -> dict[str, Any]:
        """As plain numbers, for JSON."""
        per_label = {
            name: {
                "precision": float(self.precision[i]),
                "recall": float(self.recall[i]),
                "f1": float(self.f1[i]),
                "support": int(self.confusion[i].sum()),
            }
            for i, name in enumerate(label_names)
        }
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "labels": per_label,
            "confusion": self.confusion.tolist(),
        }


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, num_labels) in float64."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def measure(logits: np.ndarray, labels: np.ndarray) -> Metrics:
    """Metrics of logits (N, num_labels) against integer labels (N,)."""
    num_labels = logits.shape[1]
    probabilities = softmax(logits)[np.arange(len(labels)), labels]
    loss = float(-np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)).mean())
    confusion = confusion_matrix(labels, logits.argmax(axis=1), num_labels)
    precision, recall, f1 = scores(confusion)
    accuracy = float(np.trace(confusion) / len(labels))
    return Metrics(loss, accuracy, float(f1.mean()), precision, recall, f1, confusion)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_labels: int) -> np.ndarray:
    """int64 (num_labels, num_labels): rows are the true labels, columns the predicted."""
    pairs = labels.astype(np.int64) * num_labels + predicted
    return np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels)


def scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each label, 0 where undefined.

    Takes (..., num_labels, num_labels), so that bootstrap draws are scored together.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    predicted, actual = confusion.sum(axis=-2), confusion.sum(axis=-1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(actual, 1)
    return precision, recall, 2 * hits / np.maximum(predicted + actual, 1)


def bootstrap_intervals(
    confusion: np.ndarray, seed: int = 0, draws: int = BOOTSTRAP_DRAWS
) -> dict[str, tuple[float, float]]:
    """95% percentile intervals (Efron and Tibshirani 1993, chapter 13) of accuracy and macro-F1.

    To draw N rows with replacement is to draw the cells of the confusion matrix from a
    multinomial, which needs no rows.
    """
    rows = int(confusion.sum())
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(rows, confusion.ravel() / rows, size=draws)
    drawn = cells.reshape(draws, *confusion.shape)
    accuracy = np.trace(drawn, axis1=1, axis2=2) / rows
    macro_f1 = scores(drawn)[2].mean(axis=1)
    return {
        name: tuple(float(q) for q in np.quantile(values, (0.025, 0.975)))
        for name, values in (("accuracy", accuracy), ("macro_f1", macro_f1))
    }
