"""Figures of a classifier from its logits, in numpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

BOOTSTRAP_DRAWS = 2000


@dataclass
class Metrics:
    """What N classified texts show."""

    losses: np.ndarray
    """float64 (N,): cross-entropy of each text in nats."""
    brier_scores: np.ndarray
    """float64 (N,): squared distance of each text's probabilities from the truth, 0 to 2."""
    precision: np.ndarray
    """float64 (num_labels,); 0 where a label was never predicted."""
    recall: np.ndarray
    """float64 (num_labels,); 0 where a label has no rows."""
    f1: np.ndarray
    """float64 (num_labels,)."""
    confusion: np.ndarray
    """int64 (num_labels, num_labels): rows are the true labels, columns the predicted."""

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Share of texts whose likeliest label is the true one."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def macro_f1(self) -> float:
        """Mean of the labels' F1; a label without rows and predictions counts as 0."""
        return float(self.f1.mean())

    @property
    def weighted_f1(self) -> float:
        """Mean of the labels' F1, each weighted by its rows."""
        return float(np.average(self.f1, weights=self.confusion.sum(axis=1)))

    @property
    def mcc(self) -> float:
        """Matthews' correlation of true and predicted labels, -1 to 1; see `matthews`."""
        return float(matthews(self.confusion))

    @property
    def brier(self) -> float:
        """Mean Brier score over all labels (Brier 1950), 0 to 2."""
        return float(self.brier_scores.mean())

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
            "mcc": self.mcc,
            "brier": self.brier,
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
    probabilities = softmax(logits)
    of_truth = probabilities[np.arange(len(labels)), labels]
    losses = -np.log(np.maximum(of_truth, np.finfo(np.float64).tiny))
    brier_scores = ((probabilities - np.eye(num_labels)[labels]) ** 2).sum(axis=1)
    confusion = confusion_matrix(labels, logits.argmax(axis=1), num_labels)
    return Metrics(losses, brier_scores, *scores(confusion), confusion)


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


def matthews(confusion: np.ndarray) -> np.ndarray:
    """Matthews' correlation for any number of labels (Gorodkin 2004, R_K), 0 where undefined.

    Takes (..., num_labels, num_labels), as `scores` does.
    """
    rows = confusion.sum(axis=(-2, -1)).astype(np.float64)
    predicted, actual = confusion.sum(axis=-2), confusion.sum(axis=-1)
    covariance = np.trace(confusion, axis1=-2, axis2=-1) * rows - (predicted * actual).sum(axis=-1)
    variances = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (actual**2).sum(axis=-1))
    return covariance / np.sqrt(np.where(variances > 0, variances, np.inf))


def bootstrap_intervals(
    metrics: Metrics, seed: int = 0, draws: int = BOOTSTRAP_DRAWS
) -> dict[str, np.ndarray]:
    """95% percentile intervals (Efron and Tibshirani 1993, chapter 13).

    To draw N rows with replacement is to draw the cells of the confusion matrix from a
    multinomial; for the loss and the Brier score the rows themselves are drawn.

    Returns:
        float64 (2,) for `loss`, `accuracy`, `macro_f1`, `mcc` and `brier`, and (2, num_labels) for
        `precision`, `recall` and `f1`: the lower bounds, then the upper.
    """
    confusion, rows = metrics.confusion, len(metrics.losses)
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(rows, confusion.ravel() / rows, size=draws)
    drawn = cells.reshape(draws, *confusion.shape)
    precision, recall, f1 = scores(drawn)
    by_row = np.stack([metrics.losses, metrics.brier_scores])
    loss, brier = np.transpose(
        [by_row[:, rng.integers(0, rows, rows)].mean(axis=1) for _ in range(draws)]
    )
    figures = {
        "loss": loss,
        "accuracy": np.trace(drawn, axis1=1, axis2=2) / rows,
        "macro_f1": f1.mean(axis=1),
        "mcc": matthews(drawn),
        "brier": brier,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    return {name: np.quantile(values, (0.025, 0.975), axis=0) for name, values in figures.items()}
