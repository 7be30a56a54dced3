"""Temperature scaling and calibration error (Guo et al. 2017)."""

from dataclasses import dataclass
from math import exp, log

import numpy as np

from mlx_finbert.inference.logits import require_finite, softmax

LOWEST, HIGHEST = 0.01, 100.0
"""Range of a fitted temperature."""
UNDETERMINED = 1.0
"""The temperature where the rows determine none."""
HALVINGS = 40
"""Leaves an error of ln(HIGHEST / LOWEST) / 2^40, below 1e-11."""
BINS = 15
"""Of the reliability table, as in Guo et al. 2017, table 1."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T for which softmax(logits / T) has the least mean cross-entropy (section 4.2).

    The cross-entropy is convex in 1 / T, so its slope changes sign once: that place is found by
    halving the range of log T. Where no T in the range is the least:

    - no rows, or every row right: a lower T is always better, so the rows say nothing about how
      sure is too sure, and T is left at 1 (`UNDETERMINED`);
    - labels that the logits guess no better than chance: T is `HIGHEST`.

    Args:
        logits: float (N, num_labels), finite; of validation rows, never of training rows.
        labels: integers (N,).

    Raises:
        InputError: for logits that are not finite.
    """
    logits = np.asarray(logits, np.float64)
    require_finite(logits)
    excess = logits - logits[np.arange(len(labels)), labels][:, None]
    low, high = log(LOWEST), log(HIGHEST)
    if len(labels) == 0 or _slope(excess, exp(low)) <= 0:
        return UNDETERMINED
    if _slope(excess, exp(high)) >= 0:
        return HIGHEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _slope(excess, exp(middle)) > 0 else (low, middle)
    return exp((low + high) / 2)


def _slope(excess: np.ndarray, temperature: float) -> float:
    """Derivative of the mean cross-entropy by 1 / T; `excess` is over the true label's logit."""
    return float((softmax(excess / temperature) * excess).sum(axis=1).mean())


def explain_temperature(temperature: float) -> str:
    """One sentence on what a fitted temperature means."""
    if temperature == UNDETERMINED:
        return (
            "temperature 1: the validation rows determine none, as where all of them are right;"
            " probabilities stay as they are"
        )
    if temperature == HIGHEST:
        return (
            f"temperature {HIGHEST:g}, the highest: on the validation rows the model is no better"
            " than chance"
        )
    sure, change = ("too sure", "softer") if temperature > 1 else ("not sure enough", "sharper")
    return f"temperature {temperature:.3f}: the model was {sure}; probabilities become {change}"


@dataclass
class Reliability:
    """How sure and how right a classifier is, in bins of equal width over the probability."""

    edges: np.ndarray
    """float64 (bins + 1,), from 0 to 1; a bin holds its upper edge."""
    rows: np.ndarray
    """int64 (bins,): texts whose likeliest label has a probability in the bin."""
    confidence: np.ndarray
    """float64 (bins,): mean probability of the likeliest label; 0 without rows."""
    accuracy: np.ndarray
    """float64 (bins,): share of them that are right; 0 without rows."""

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1: the mean gap, weighted by rows (equation 3)."""
        gaps = self.rows * np.abs(self.accuracy - self.confidence)
        return float(gaps.sum() / max(self.rows.sum(), 1))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Reliability:
    """The reliability table of probabilities (N, num_labels) against integer labels (N,)."""
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    # A rounded sum may put a probability a hair above 1; it belongs into the last bin.
    index = np.searchsorted(edges[1:-1], confidence, side="left")
    rows = np.bincount(index, minlength=bins)
    at_least_one = np.maximum(rows, 1)
    return Reliability(
        edges,
        rows,
        np.bincount(index, confidence, bins) / at_least_one,
        np.bincount(index, hits, bins) / at_least_one,
    )


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> float:
    """Guo et al. 2017, equation 3: probabilities (N, num_labels), integer labels (N,); 0 to 1."""
    return reliability(probabilities, labels, bins).error
