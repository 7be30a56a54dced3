"""The loss of a student: of the labels, of the teacher's logits, and of its hidden states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.data.loader import Batch, Loader, Update
from mlx_finbert.distillation.lesson import Lesson
from mlx_finbert.models import Classifier
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.loss import Loss


@dataclass
class HiddenLoss:
    """How far a student's hidden states are from those of its teacher.

    Each of the n layers of the student is compared with the one of the teacher's N layers that is
    as deep: layer i with round((i + 1) * N / n) - 1. Each token of the training rows counts alike,
    and so does each layer.
    """

    teacher: Classifier
    """Runs without dropout, and has no gradient."""
    kind: Literal["cosine", "mse"]
    """1 minus the cosine (Sanh et al. 2019), or the mean square of the differences (Jiao et al.
    2020)."""
    rows_per_token: float
    """Training rows over their tokens: turns a sum over tokens into one over rows."""
    original_ids: np.ndarray | None = None
    """int32: the teacher's id of each id in the batches; None if they are the same."""

    def sum(
        self,
        states: Sequence[mx.array],
        input_ids: mx.array,
        attention_mask: mx.array,
        examples: int,
    ) -> mx.array:
        """The sum over the rows of a batch, a float32 scalar.

        Args:
            states: the output of each of the student's layers, (R, L, hidden_size).
            input_ids: int32 (R, L).
            attention_mask: int32 (R, L).
            examples: places per row.
        """
        if self.original_ids is not None:
            input_ids = mx.array(self.original_ids)[input_ids]
        taught: list[mx.array] = []
        self.teacher(input_ids, attention_mask, examples=examples, states=taught)
        is_token = (attention_mask != 0).astype(mx.float32)
        pairs = zip(states, layer_map(len(states), len(taught)), strict=True)
        distances = [(self.distance(own, taught[i]) * is_token).sum() for own, i in pairs]
        return mx.stack(distances).mean() * self.rows_per_token

    def distance(self, own: mx.array, taught: mx.array) -> mx.array:
        """The distance of each token's states (R, L, hidden_size): float32 (R, L)."""
        own, taught = own.astype(mx.float32), taught.astype(mx.float32)
        if self.kind == "mse":
            return mx.square(own - taught).mean(axis=-1)
        squares = mx.square(own).sum(axis=-1) * mx.square(taught).sum(axis=-1)
        # The root of zero has no gradient.
        return 1 - (own * taught).sum(axis=-1) * mx.rsqrt(mx.maximum(squares, 1e-12))


def layer_map(layers: int, teacher_layers: int) -> list[int]:
    """The teacher's layer, from 0, for each of the student's layers."""
    depths = ((i + 1) * teacher_layers / layers for i in range(layers))
    return [max(0, round(depth) - 1) for depth in depths]


@dataclass
class DistillationLoss:
    """(1 - w) * labels + w * T^2 * KL(teacher || student) + hidden states, each a mean.

    Both distributions are softened by the temperature T (Hinton et al. 2015). The mean of the
    labels' loss is that of `Loss` over all labelled training rows, not over those of an update:
    a row weighs the same, however many unlabelled rows are in its update.
    """

    labels: Loss
    teacher_logits: np.ndarray
    """float32 (N, num_labels), by row of the training loader."""
    temperature: float
    weight: float
    """w, the share of the teacher's loss."""
    label_factor: float = 1.0
    """Training rows over the sum of the weights of the labelled ones."""
    hidden: HiddenLoss | None = None

    def total_weight(self, update: Update) -> float:
        """The number of rows, labelled or not."""
        return float(len(update.rows))

    def arrays(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """The arrays of `Loss`, and the teacher's logits, float32 (R, E, num_labels)."""
        arrays = self.labels.arrays(batch)
        logits = np.zeros((batch.weights.size, self.teacher_logits.shape[1]), np.float32)
        logits[batch.weights > 0] = self.teacher_logits[batch.rows]
        return *arrays, logits.reshape(*arrays[-1].shape, -1)

    def sum_and_correct(
        self, model: nn.Module, arrays: tuple[mx.array, ...], dropout_key: mx.array
    ) -> tuple[mx.array, mx.array]:
        """The summed loss and the number of correct labelled examples; see `Objective`."""
        input_ids, attention_mask, label_ids, weights, taught = arrays
        examples = label_ids.shape[1]
        label_ids, weights, taught = label_ids.flatten(), weights.flatten(), taught.flatten(0, 1)
        states: list[mx.array] | None = None if self.hidden is None else []
        logits = model(
            input_ids, attention_mask, dropout_key=dropout_key, examples=examples, states=states
        )
        labelled = weights * (label_ids >= 0)
        summed = (1 - self.weight) * self.label_factor * self.labels.sum(
            logits, mx.maximum(label_ids, 0), labelled
        ) + self.weight * (self.divergence(logits, taught) * weights).sum()
        if self.hidden is not None and states is not None:
            summed += self.hidden.sum(states, input_ids, attention_mask, examples)
        return summed, ((logits.argmax(axis=-1) == label_ids) * labelled).sum()

    def divergence(self, logits: mx.array, taught: mx.array) -> mx.array:
        """T^2 * KL of the softened distributions, from logits (B, num_labels): float32 (B,)."""
        own = log_softmax(logits.astype(mx.float32) / self.temperature)
        other = log_softmax(taught / self.temperature)
        return self.temperature**2 * (mx.exp(other) * (other - own)).sum(axis=-1)


def log_softmax(logits: mx.array) -> mx.array:
    """Logarithms of the probabilities."""
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def distillation_loss(
    settings: TrainSettings,
    labels: Loss,
    lesson: Lesson,
    loader: Loader,
    original_ids: np.ndarray | None,
) -> DistillationLoss:
    """The loss of a run with a teacher.

    Args:
        settings: the settings of the run.
        labels: the loss of the labels.
        lesson: the teacher's logits, and the teacher if hidden states are compared.
        loader: the training rows.
        original_ids: the vocabulary's ids by those of the loader; None if they are the same.
    """
    hidden, rows = None, len(loader.label_ids)
    if lesson.model is not None and settings.distill_hidden != "none":
        per_token = rows / len(loader.tokens.ids)
        lesson.model.set_dtype(getattr(mx, settings.dtype))
        hidden = HiddenLoss(lesson.model, settings.distill_hidden, per_token, original_ids)
    labelled = loader.label_ids[loader.label_ids >= 0]
    weight_of_labels = labels.class_weights[labelled].sum(dtype=np.float64)
    return DistillationLoss(
        labels,
        lesson.logits,
        settings.distill_temperature,
        settings.distill_weight,
        float(rows / weight_of_labels),
        hidden,
    )
