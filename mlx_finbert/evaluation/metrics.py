"""Metrics of a classifier, computed from its logits in numpy."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlx_finbert.inference.logits import softmax

BOOTSTRAP_DRAWS = 2000
FEW_ROWS = 30
"""Rule of thumb: with fewer rows, bootstrap percentile intervals are too narrow."""


@dataclass
class Metrics:
    """The metrics of N classified texts."""

    losses: np.ndarray
    """float64 (N,): cross-entropy of each text in nats."""
    brier_scores: np.ndarray
    """float64 (N,): squared distance of each text's probabilities from the truth, 0 to 2."""
    precision: np.ndarray
    """float64 (num_labels,); NaN for a label that was never predicted."""
    recall: np.ndarray
    """float64 (num_labels,); NaN for a label without rows."""
    f1: np.ndarray
    """float64 (num_labels,); NaN for a label with neither rows nor predictions."""
    confusion: np.ndarray
    """int64 (num_labels, num_labels): rows are the true labels, columns the predicted."""

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Share of texts whose most probable label is the true one."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the labels, as in scikit-learn's `f1_score(average="macro")`.

        A label with neither rows nor predictions is left out.
        """
        return float(np.nanmean(self.f1))

    @property
    def weighted_f1(self) -> float:
        """Mean F1 over the labels, weighted by their rows, as in scikit-learn."""
        return float(np.average(np.nan_to_num(self.f1), weights=self.confusion.sum(axis=1)))

    @property
    def mcc(self) -> float:
        """Matthews correlation of true and predicted labels, -1 to 1; see `matthews`."""
        return float(matthews(self.confusion))

    @property
    def brier(self) -> float:
        """Mean Brier score over all labels (Brier 1950), 0 to 2."""
        return float(self.brier_scores.mean())

    def to_dict(self, label_names: list[str]) -> dict[str, Any]:
        """The metrics as plain numbers, for JSON; None for an undefined figure."""
        figures = zip(
            label_names,
            *(plain(values) for values in (self.precision, self.recall, self.f1)),
            self.confusion.sum(axis=1).tolist(),
            strict=True,
        )
        per_label = {
            name: {"precision": precision, "recall": recall, "f1": f1, "support": support}
            for name, precision, recall, f1, support in figures
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

    def remarks(self, label_names: list[str]) -> list[str]:
        """Sentences on limits of the figures."""
        rows, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        found = []
        if np.count_nonzero(rows) == 1:
            found.append(
                f"every row is labelled {label_names[rows.argmax()]!r}: the figures do not show"
                " whether the model tells the labels apart"
            )
        elif np.count_nonzero(predicted) == 1:
            found.append(
                f"every row was predicted as {label_names[predicted.argmax()]!r}: the model has"
                " learned nothing from the texts"
            )
        if rows.sum() < FEW_ROWS:
            found.append(
                f"only {rows.sum()} rows: the 95% intervals are narrower than they should be"
            )
        return found


def plain(values: np.ndarray) -> list[Any]:
    """Convert floats of any shape to nested lists, for JSON; NaN becomes None."""
    return np.where(np.isnan(values), np.array(None), values).tolist()


def dash(value: float, form: str) -> str:
    """Format a figure; "-" if it is undefined (NaN)."""
    return "-" if np.isnan(value) else format(value, form)


def measure(logits: np.ndarray, label_ids: np.ndarray) -> Metrics:
    """Compute the metrics of logits (N, num_labels) and integer labels (N,)."""
    num_labels = logits.shape[1]
    probabilities = softmax(logits)
    of_truth = probabilities[np.arange(len(label_ids)), label_ids]
    losses = -np.log(np.maximum(of_truth, np.finfo(np.float64).tiny))
    brier_scores = ((probabilities - np.eye(num_labels)[label_ids]) ** 2).sum(axis=1)
    confusion = confusion_matrix(label_ids, logits.argmax(axis=1), num_labels)
    return Metrics(losses, brier_scores, *scores(confusion), confusion)


def confusion_matrix(label_ids: np.ndarray, predicted: np.ndarray, num_labels: int) -> np.ndarray:
    """Count int64 (num_labels, num_labels): rows are the true labels, columns the predicted."""
    pairs = label_ids.astype(np.int64) * num_labels + predicted
    return np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels)


def scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute precision, recall and F1 of each label; NaN for 0/0.

    Takes (..., num_labels, num_labels), so that bootstrap draws are scored together.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    predicted, actual = confusion.sum(axis=-2), confusion.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return hits / predicted, hits / actual, 2 * hits / (predicted + actual)


def largest_confusions(confusion: np.ndarray, most: int = 10) -> list[tuple[int, int, int]]:
    """True label, predicted label and row count of the largest cells off the diagonal."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = (divmod(int(place), len(wrong)) for place in order)
    return [(i, j, int(wrong[i, j])) for i, j in cells if wrong[i, j]]


def matthews(confusion: np.ndarray) -> np.ndarray:
    """Compute the Matthews correlation for any number of labels (Gorodkin 2004, R_K).

    It is 0 where undefined.

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
    """Compute 95% percentile intervals (Efron and Tibshirani 1993, chapter 13).

    Drawing N rows with replacement equals drawing the cells of the confusion matrix from a
    multinomial distribution. For the loss and the Brier score the rows themselves are drawn. A
    draw in which a figure is undefined does not count in its interval.

    Returns:
        float64 (2,) for `loss`, `accuracy`, `macro_f1`, `mcc` and `brier`, and (2, num_labels) for
        `precision`, `recall` and `f1`: the lower bounds, then the upper; NaN for an undefined
        figure.
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
        "macro_f1": np.nanmean(f1, axis=1),
        "mcc": matthews(drawn),
        "brier": brier,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    return {name: interval(values) for name, values in figures.items()}


def interval(draws: np.ndarray) -> np.ndarray:
    """The 2.5% and 97.5% quantiles along the first axis, ignoring NaN."""
    with warnings.catch_warnings():
        # A label with neither rows nor predictions has no figure in any draw.
        warnings.filterwarnings("ignore", "All-NaN slice")
        return np.nanquantile(draws, (0.025, 0.975), axis=0)
