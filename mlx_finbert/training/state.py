"""What a run records: each step's figures, each evaluation's, and where it stands."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.data.loader import Update
from mlx_finbert.training.early_stopping import HIGHER_IS_BETTER, BestMetric


class RunEnd(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    INTERRUPTED = "interrupted"
    """By Ctrl-C."""
    DIVERGED = "diverged"
    """At a figure that is not finite."""
    FAILED = "failed"
    """At a step that could not be computed."""


@dataclass
class StepOutput:
    """What one update showed, over the rows of all processes; reading it waits for its end."""

    number: int
    """Of the update, from 0."""
    update: Update
    learning_rate: float
    weight: float
    """The sum of the rows' labels' weights: `loss / weight` is the mean loss."""
    computed: mx.array
    """float32 (6,), of the device."""

    @cached_property
    def _read(self) -> list[float]:
        return np.array(self.computed).tolist()

    @property
    def examples(self) -> int:
        return len(self.update.rows)

    @property
    def loss(self) -> float:
        """Summed over the rows, each with its label's weight."""
        return self._read[0]

    @property
    def correct(self) -> float:
        return self._read[1]

    @property
    def stop(self) -> bool:
        """Whether any process was asked to stop."""
        return self._read[2] > 0

    @property
    def grad_norm(self) -> float:
        """Of all gradients together, before clipping."""
        return self._read[3]

    @property
    def moved(self) -> bool:
        """False where loss or gradients were not finite: the weights are then as before."""
        return self._read[4] > 0

    @property
    def diverged(self) -> bool:
        """Whether no later update can move the weights: it was no overflow of float16."""
        return self._read[5] > 0


@dataclass
class StepMetrics:
    """One finished step, for whoever watches."""

    epoch: int
    step: int
    learning_rate: float
    loss: float
    accuracy: float
    """Loss and accuracy are means since the last evaluation."""
    grad_norm: float
    """Before clipping."""
    num_tokens: int
    """Tokens of this process's batches that are not padding."""


@dataclass
class Record:
    """One evaluation, and the training since the one before."""

    step: int
    epoch: float
    """Epochs done, as a fraction within one."""
    learning_rate: float
    """Of the last step."""
    loss: float
    """Mean training loss, with dropout, class weights and label smoothing."""
    accuracy: float
    grad_norm: float
    """Mean over the steps, before clipping."""
    val_loss: float
    """Plain cross-entropy."""
    val_accuracy: float
    val_macro_f1: float
    val_weighted_f1: float
    val_mcc: float

    def is_better_than(self, other: "Record | None", metric: BestMetric = "last") -> bool:
        """By the metric, then by validation loss; or whether it is the later one."""
        if other is None:
            return True
        if metric == "last":
            return self.step > other.step
        sign = 1 if HIGHER_IS_BETTER[metric] else -1
        return (sign * getattr(self, metric), -self.val_loss) > (
            sign * getattr(other, metric),
            -other.val_loss,
        )


@dataclass
class Sums:
    """Training figures since the last evaluation."""

    loss: float = 0.0
    weight: float = 0.0
    correct: float = 0.0
    examples: int = 0
    grad_norm: float = 0.0
    steps: int = 0

    def add(self, figures: StepOutput) -> None:
        """Count one step; an overflow of float16 has no norm."""
        self.loss += figures.loss
        self.weight += figures.weight
        self.correct += figures.correct
        self.examples += figures.examples
        if figures.moved:
            self.grad_norm += figures.grad_norm
            self.steps += 1

    @property
    def mean_loss(self) -> float:
        return self.loss / self.weight

    @property
    def accuracy(self) -> float:
        return self.correct / self.examples

    @property
    def mean_grad_norm(self) -> float:
        return self.grad_norm / max(1, self.steps)


@dataclass
class RunState:
    """Where a run stands; with the weights and the moments, all that it needs to go on."""

    step: int = 0
    """Updates done: the epoch and the place in it follow from it."""
    rate_factor: float = 1.0
    """What plateaus have left of the learning rate."""
    sums: Sums = field(default_factory=Sums)
    history: list[Record] = field(default_factory=list)
    best: Record | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunState":
        """Back from `to_dict`."""
        return cls(
            step=values["step"],
            rate_factor=values["rate_factor"],
            sums=Sums(**values["sums"]),
            history=[Record(**record) for record in values["history"]],
            best=Record(**values["best"]) if values["best"] else None,
        )
