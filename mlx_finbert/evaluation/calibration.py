"""Temperature scaling and calibration error (Guo et al. 2017)."""

from dataclasses import dataclass
from math import exp, log

import numpy as np

from mlx_finbert.inference.logits import require_finite, softmax

LOWEST, HIGHEST = 0.01, 100.0
"""Range of a fitted temperature."""
UNDETERMINED = 1.0
"""The temperature used when the rows do not determine one."""
HALVINGS = 40
"""Steps of the bisection; the error left is ln(HIGHEST / LOWEST) / 2^40, below 1e-11."""
BINS = 15
"""Bins of the reliability table, as in Guo et al. 2017, table 1."""


def fit_temperature(logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Find the T for which softmax(logits / T) has the least mean cross-entropy (section 4.2).

    The cross-entropy is convex in 1 / T, so its slope changes sign once. Bisection over log T
    finds that place. If there is none in the range:

    - no rows, or every row right: a lower T is always better, so the rows cannot show
      overconfidence, and T stays 1 (`UNDETERMINED`);
    - logits no better than chance: T is `HIGHEST`.

    Args:
        logits: float (N, num_labels), finite; of validation rows, never of training rows.
        label_ids: integers (N,).

    Raises:
        InputError: for logits that are not finite.
    """
    logits = np.asarray(logits, np.float64)
    require_finite(logits)
    excess = logits - logits[np.arange(len(label_ids)), label_ids][:, None]
    low, high = log(LOWEST), log(HIGHEST)
    if len(label_ids) == 0 or _slope(excess, exp(low)) <= 0:
        return UNDETERMINED
    if _slope(excess, exp(high)) >= 0:
        return HIGHEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _slope(excess, exp(middle)) > 0 else (low, middle)
    return exp((low + high) / 2)


def _slope(excess: np.ndarray, temperature: float) -> float:
    """Derivative of the mean cross-entropy by 1 / T.

    `excess` is each logit minus the true label's logit.
    """
    return float((softmax(excess / temperature) * excess).sum(axis=1).mean())


def explain_temperature(temperature: float) -> str:
    """One sentence that explains a fitted temperature."""
    if temperature == UNDETERMINED:
        return (
            "temperature 1: the validation rows do not determine one, for example because all of"
            " them are right; probabilities stay unchanged"
        )
    if temperature == HIGHEST:
        return (
            f"temperature {HIGHEST:g}, the highest: on the validation rows the model is no better"
            " than chance"
        )
    sure, change = ("over", "softer") if temperature > 1 else ("under", "sharper")
    return (
        f"temperature {temperature:.3f}: the model was {sure}confident; probabilities become"
        f" {change}"
    )


@dataclass
class Reliability:
    """Confidence and accuracy of a classifier, in bins of equal width over the probability."""

    edges: np.ndarray
    """float64 (bins + 1,), from 0 to 1; a bin includes its upper edge."""
    rows: np.ndarray
    """int64 (bins,): number of texts whose most probable label has a probability in the bin."""
    confidence: np.ndarray
    """float64 (bins,): mean probability of the most probable label; 0 without rows."""
    accuracy: np.ndarray
    """float64 (bins,): share of these texts with the right label; 0 without rows."""

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1: the mean gap, weighted by rows (equation 3)."""
        gaps = self.rows * np.abs(self.accuracy - self.confidence)
        return float(gaps.sum() / max(self.rows.sum(), 1))


def reliability(probabilities: np.ndarray, label_ids: np.ndarray, bins: int = BINS) -> Reliability:
    """Compute the reliability table of probabilities (N, num_labels) and integer labels (N,)."""
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == label_ids
    edges = np.linspace(0, 1, bins + 1)
    # Rounding may make a probability slightly larger than 1; it belongs to the last bin.
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
    probabilities: np.ndarray, label_ids: np.ndarray, bins: int = BINS
) -> float:
    """Compute the expected calibration error (Guo et al. 2017, equation 3), 0 to 1.

    Takes probabilities (N, num_labels) and integer labels (N,).
    """
    return reliability(probabilities, label_ids, bins).error
