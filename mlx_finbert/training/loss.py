"""The loss of a batch as in PyTorch, and the loss scale of mixed precision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical
from mlx_finbert.models.parameters import Arrays, holding, tree
from mlx_finbert.training.objective import Objective

Precision = Literal["float32", "bfloat16", "float16"]
"""The dtypes, as MLX names them."""


@dataclass
class Loss:
    """`torch.nn.CrossEntropyLoss(weight, label_smoothing=...)`, as a sum and a divisor.

    PyTorch's mean is a sum over the rows divided by the sum of their labels' weights. Both are
    computed separately, so that several batches or processes can share one mean.
    """

    class_weights: np.ndarray
    """float32 (num_labels,)."""
    label_smoothing: float = 0.0

    def total_weight(self, update: Update) -> float:
        """The sum of the weights of the rows' labels."""
        return float(self.class_weights[update.label_ids].sum(dtype=np.float64))

    def arrays(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """Ids and mask, int32 (R, L), labels, int32 (R, E), and weights, float32 (R, E)."""
        places = len(batch.input_ids), -1
        labels, weights = batch.label_ids.reshape(places), batch.weights.reshape(places)
        return batch.input_ids, batch.attention_mask, labels, weights

    def sum_and_correct(
        self, model: nn.Module, arrays: tuple[mx.array, ...], dropout_key: mx.array
    ) -> tuple[mx.array, mx.array]:
        """The summed loss and the number of correct examples; see `objective.Objective`."""
        input_ids, attention_mask, label_ids, weights = arrays
        examples = label_ids.shape[1]
        label_ids, weights = label_ids.flatten(), weights.flatten()
        logits = model(input_ids, attention_mask, dropout_key=dropout_key, examples=examples)
        correct = ((logits.argmax(axis=-1) == label_ids) * weights).sum()
        return self.sum(logits, label_ids, weights), correct

    def sum(self, logits: mx.array, label_ids: mx.array, weights: mx.array) -> mx.array:
        """Summed loss in float32: logits (B, num_labels), labels int32 (B,), weights (B,).

        Rows of weight zero do not count.
        """
        log_probabilities = logits.astype(mx.float32)
        log_probabilities -= mx.logsumexp(log_probabilities, axis=-1, keepdims=True)
        weighted = -log_probabilities * mx.array(self.class_weights)
        losses = mx.take_along_axis(weighted, label_ids[:, None], axis=-1)[:, 0]
        if self.label_smoothing:
            smooth = self.label_smoothing
            losses = (1 - smooth) * losses + smooth * weighted.mean(axis=-1)
        return (losses * weights).sum()


def loss_of_parameters(
    model: nn.Module, objective: Objective, frozen: Arrays, precision: Precision
) -> Callable[..., tuple[mx.array, mx.array]]:
    """The summed loss of a batch, as a function of the trainable parameters.

    Everything that is not an argument of that function is fixed when it is made: the frozen
    parameters, the objective's constants and the precision.

    Args:
        model: the architecture.
        objective: computes the loss of a batch.
        frozen: the parameters that are not trained.
        precision: dtype of the forward and backward passes.

    Returns:
        A function of parameters, float32; the objective's arrays of a batch; a dropout key, uint32
        (2,); and a factor. It returns the loss times the factor, and (2,): the loss and the number
        of correct examples.
    """
    dtype = getattr(mx, precision)
    frozen = cast(frozen, dtype)
    mx.eval(frozen)

    def function(
        parameters: Arrays, rows: tuple[mx.array, ...], key: mx.array, factor: mx.array
    ) -> tuple[mx.array, mx.array]:
        with holding(model, tree(frozen | cast(parameters, dtype))):
            summed, correct = objective.sum_and_correct(model, rows, key)
        return summed * factor, mx.stack([summed, correct])

    return function


def class_weights(
    spec: list[str] | None, label_names: list[str], label_ids: np.ndarray
) -> np.ndarray:
    """The weights of the labels, float32 (num_labels,), from the value of `class_weights`.

    Args:
        spec: None for equal weights; `["balanced"]` for N / (num_labels * count), as in
            scikit-learn; `["sqrt-balanced"]` for its square root (Araci 2019, section 4); or
            `["negative=2", ...]`, where labels not listed have weight 1.
        label_names: in the order of the logits.
        label_ids: labels of the training rows, int (N,).

    Raises:
        InputError: for an invalid weight or an unknown label.
    """
    if spec is None:
        return np.ones(len(label_names), np.float32)
    if spec in (["balanced"], ["sqrt-balanced"]):
        counts = np.bincount(label_ids, minlength=len(label_names))
        weights = len(label_ids) / (len(label_names) * np.maximum(counts, 1))
        return (np.sqrt(weights) if spec == ["sqrt-balanced"] else weights).astype(np.float32)
    ids = {canonical(name): i for i, name in enumerate(label_names)}
    weights = np.ones(len(label_names), np.float32)
    for part in spec:
        name, _, value = part.rpartition("=")
        if canonical(name) not in ids:
            raise InputError(
                f"`class_weights={part}`: write balanced, sqrt-balanced or LABEL=WEIGHT with one of"
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
        raise InputError(f"`class_weights={part}`: the weight must be a number above 0")
    return value


def cast(parameters: Arrays, dtype: mx.Dtype) -> Arrays:
    """Cast parameters for the computation; their gradients keep the original dtype."""
    return {name: value.astype(dtype) for name, value in parameters.items()}


START_SCALE = 2.0**16
SCALE_PATIENCE = 2000
"""Updates without an overflow before the scale doubles."""


@dataclass
class LossScale:
    """Keep float16 gradients from underflow (Micikevicius et al. 2018, section 3.2).

    The loss is multiplied by `value`, which stays 1 for the other precisions.
    """

    value: mx.array
    good_updates: mx.array
    """int32 scalar: updates since the value last changed."""

    @classmethod
    def start(cls, precision: Precision) -> "LossScale":
        """The scale of the first update."""
        value = START_SCALE if precision == "float16" else 1.0
        return cls(mx.array(value), mx.array(0, mx.int32))

    def arrays(self) -> Arrays:
        """The arrays by name, for `mx.compile`, which takes no objects."""
        return {"value": self.value, "good_updates": self.good_updates}

    def after(self, finite: mx.array) -> "LossScale":
        """The scale of the next update.

        It halves when a gradient overflows, and that update is skipped. It doubles after 2,000
        updates without an overflow. PyTorch's `GradScaler` has the same numbers.

        Args:
            finite: bool scalar, whether all gradients of this update were finite.
        """
        good = mx.where(finite, self.good_updates + 1, 0)
        doubled = (good == SCALE_PATIENCE) & (self.value > 1)
        value = mx.where(doubled, self.value * 2, self.value)
        return LossScale(
            mx.where(finite, value, mx.maximum(1.0, self.value / 2)),
            mx.where(doubled, 0, good),
        )
