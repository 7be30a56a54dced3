"""Compares the answers of several models to the same rows: differences, intervals and a test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlx_finbert.evaluation.metrics import BOOTSTRAP_DRAWS, interval, scores

FIGURES = ("accuracy", "macro_f1", "loss")
"""The figures whose differences get an interval."""


@dataclass(frozen=True)
class Answers:
    """The answers of a model to N labelled rows."""

    true: np.ndarray
    """Integers (N,), in the model's own ids."""
    predicted: np.ndarray
    """Integers (N,), likewise."""
    losses: np.ndarray
    """float64 (N,): cross-entropy of each row in nats."""
    num_labels: int

    @property
    def right(self) -> np.ndarray:
        """Which rows have the true label: bool (N,)."""
        return self.predicted == self.true


def drawn_figures(
    models: Sequence[Answers], seed: int = 0, draws: int = BOOTSTRAP_DRAWS
) -> list[dict[str, np.ndarray]]:
    """Draw the rows with replacement, and compute the figures of every model on each draw.

    All models get the same draws, so a difference between them is paired: rows that are hard for
    all of them do not widen its interval (Koehn 2004).

    Returns:
        For each model, float64 (draws,) for each of `FIGURES`.
    """
    cells, of_row = answer_cells(models)
    losses = np.stack([model.losses for model in models])
    rows = losses.shape[1]
    rng = np.random.default_rng(seed)
    counts = np.zeros((draws, cells.shape[1]), np.int64)
    drawn_losses = np.zeros((draws, len(models)))
    for draw in range(draws):
        drawn = rng.integers(0, rows, rows)
        counts[draw] = np.bincount(of_row[drawn], minlength=cells.shape[1])
        drawn_losses[draw] = losses[:, drawn].mean(axis=1)
    return [
        figures(confusions(counts, own, model.num_labels), own_losses)
        for model, own, own_losses in zip(models, cells, drawn_losses.T, strict=True)
    ]


def answer_cells(models: Sequence[Answers]) -> tuple[np.ndarray, np.ndarray]:
    """Number the combinations of true and predicted labels that occur over all models.

    Returns:
        Integers (models, combinations), each model's cell of its flattened confusion matrix; and
        integers (N,), the combination of each row.
    """
    pairs = np.stack([model.true * model.num_labels + model.predicted for model in models])
    cells, of_row = np.unique(pairs, axis=1, return_inverse=True)
    return cells, of_row.ravel()


def confusions(counts: np.ndarray, cells: np.ndarray, num_labels: int) -> np.ndarray:
    """Sum the counts (draws, combinations) to matrices (draws, num_labels, num_labels)."""
    drawn = np.zeros((num_labels**2, len(counts)), np.int64)
    np.add.at(drawn, cells, counts.T)
    return drawn.T.reshape(-1, num_labels, num_labels)


def figures(drawn: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the figures of confusion matrices (draws, num_labels, num_labels) and losses."""
    *_, f1 = scores(drawn)
    hits, rows = np.trace(drawn, axis1=1, axis2=2), drawn.sum(axis=(1, 2))
    return {"accuracy": hits / rows, "macro_f1": np.nanmean(f1, axis=1), "loss": losses}


def difference_intervals(
    first: dict[str, np.ndarray], other: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Compute 95% percentile intervals of `other` minus `first`, from the same draws.

    Returns:
        float64 (2,) for each figure: the lower bound, then the upper.
    """
    return {name: interval(other[name] - first[name]) for name in first}


def mcnemar(only_first: int, only_other: int) -> float:
    """Compute the two-sided p-value of McNemar's exact test (McNemar 1947).

    Rows that both models have right, or both wrong, say nothing about which is better. If the
    models are equally good, each of the other rows favours either with probability 1/2. The p-value
    is the probability of a split at least as uneven as the one found, by the binomial distribution
    instead of the article's approximation for many rows.

    Args:
        only_first: number of rows that only the first model has right.
        only_other: number of rows that only the other model has right.
    """
    rows = only_first + only_other
    splits = term = 1
    for k in range(min(only_first, only_other)):
        term = term * (rows - k) // (k + 1)
        splits += term
    # Integers of any size: the quotient is the exact value, rounded once.
    return min(1.0, 2 * splits / 2**rows)
