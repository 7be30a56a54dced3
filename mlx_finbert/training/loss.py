"""The loss of a batch: cross-entropy with class weights and label smoothing, as in PyTorch."""

from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical


@dataclass
class Loss:
    """`torch.nn.CrossEntropyLoss(weight, label_smoothing=...)` in two halves.

    Its mean is a sum over the rows divided by the sum of their labels' weights. Both are kept
    apart, so that the mean over several batches, or processes, is that over all of their rows.
    """

    class_weights: np.ndarray
    """float32 (num_labels,)."""
    label_smoothing: float = 0.0

    def total_weight(self, labels: np.ndarray) -> float:
        """What the summed losses of rows with these labels are to be divided by."""
        return float(self.class_weights[labels].sum(dtype=np.float64))

    def sum(self, logits: mx.array, labels: mx.array, weights: mx.array) -> mx.array:
        """Summed loss in float32: logits (B, num_labels), labels int32 (B,), weights (B,).

        Rows of weight zero count for nothing.
        """
        log_probabilities = logits.astype(mx.float32)
        log_probabilities -= mx.logsumexp(log_probabilities, axis=-1, keepdims=True)
        weighted = -log_probabilities * mx.array(self.class_weights)
        losses = mx.take_along_axis(weighted, labels[:, None], axis=-1)[:, 0]
        if self.label_smoothing:
            smooth = self.label_smoothing
            losses = (1 - smooth) * losses + smooth * weighted.mean(axis=-1)
        return (losses * weights).sum()


def class_weights(spec: list[str] | None, label_names: list[str], labels: np.ndarray) -> np.ndarray:
    """float32 (num_labels,) from what stands after `--class-weights`.

    Args:
        spec: None for equal weights; `["balanced"]` for N / (num_labels * count), as scikit-learn
            has it; `["sqrt-balanced"]` for its square root (Araci 2019, section 4); or
            `["negative=2", ...]`, where labels that are not named have weight 1.
        label_names: in the order of the logits.
        labels: int (N,), of the training rows.

    Raises:
        InputError: for a weight or a name that cannot be used.
    """
    if spec is None:
        return np.ones(len(label_names), np.float32)
    if spec in (["balanced"], ["sqrt-balanced"]):
        counts = np.bincount(labels, minlength=len(label_names))
        weights = len(labels) / (len(label_names) * np.maximum(counts, 1))
        return (np.sqrt(weights) if spec == ["sqrt-balanced"] else weights).astype(np.float32)
    ids = {canonical(name): i for i, name in enumerate(label_names)}
    weights = np.ones(len(label_names), np.float32)
    for part in spec:
        name, _, value = part.rpartition("=")
        if canonical(name) not in ids:
            raise InputError(
                f"--class-weights {part}: write balanced, sqrt-balanced or LABEL=WEIGHT with one of"
                f" the labels {', '.join(label_names)}"
            )
        weights[ids[canonical(name)]] = _positive(value, part)
    return weights


def _positive(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < np.inf:
        raise InputError(f"--class-weights {part}: the weight is no number above 0")
    return value
