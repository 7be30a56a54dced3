"""Records of a run: the figures of steps and evaluations, and the state of the run."""

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
    """Ended by Ctrl-C."""
    DIVERGED = "diverged"
    """Ended by a loss or a gradient that is not finite."""
    FAILED = "failed"
    """Ended by a step that could not be computed."""


@dataclass
class StepOutput:
    """The figures of one update over all processes; reading them waits for its end."""

    number: int
    """Number of the update, from 0."""
    update: Update
    learning_rate: float
    weight: float
    """The sum of the rows' labels' weights: `loss / weight` is the mean loss."""
    computed: mx.array
    """float32 (6,), on the device."""

    @cached_property
    def _read(self) -> list[float]:
        return np.array(self.computed).tolist()

    @property
    def examples(self) -> int:
        """Number of labelled examples; a label of -1 is none."""
        return int((self.update.label_ids >= 0).sum())

    @property
    def loss(self) -> float:
        """The sum over the rows, each with its label's weight."""
        return self._read[0]

    @property
    def correct(self) -> float:
        return self._read[1]

    @property
    def accuracy(self) -> float:
        """Share of the examples that are correct."""
        return self.correct / max(1, self.examples)

    @property
    def stop(self) -> bool:
        """Whether any process was asked to stop."""
        return self._read[2] > 0

    @property
    def grad_norm(self) -> float:
        """The global norm of the gradients, before clipping."""
        return self._read[3]

    @property
    def moved(self) -> bool:
        """Whether the weights changed; False if the loss or a gradient was not finite."""
        return self._read[4] > 0

    @property
    def diverged(self) -> bool:
        """Whether the run has diverged, so that no later update changes the weights.

        An overflow of float16 does not count.
        """
        return self._read[5] > 0


@dataclass
class StepMetrics:
    """The figures of a finished step, for callbacks."""

    epoch: int
    step: int
    learning_rate: float
    loss: float
    accuracy: float
    """Loss and accuracy are means since the last evaluation."""
    step_loss: float
    """Mean loss of this step's rows."""
    step_accuracy: float
    """Accuracy of this step's rows."""
    grad_norm: float
    """Global norm before clipping."""
    num_tokens: int
    """Number of tokens in this process's batches, without padding."""


@dataclass
class Record:
    """The figures of an evaluation, and of the training since the previous one."""

    step: int
    epoch: float
    """Number of epochs, with the fraction of an incomplete one."""
    learning_rate: float
    """Learning rate of the last step."""
    loss: float
    """Mean training loss, with dropout, class weights and label smoothing."""
    accuracy: float
    grad_norm: float
    """Mean over the steps, before clipping."""
    val_loss: float
    """Plain cross-entropy."""
    val_accuracy: float
    val_macro_f1: float | None = None
    """These three are of classifiers alone."""
    val_weighted_f1: float | None = None
    val_mcc: float | None = None

    @property
    def validation(self) -> dict[str, float]:
        """Loss, accuracy and, of a classifier, macro-F1 of the validation rows."""
        found = {"loss": self.val_loss, "accuracy": self.val_accuracy}
        return found if self.val_macro_f1 is None else found | {"macro_f1": self.val_macro_f1}

    def is_better_than(self, other: "Record | None", metric: BestMetric = "last") -> bool:
        """Compare by the metric, then by validation loss; with `last`, by the step."""
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
    """Sums of training figures since the last evaluation."""

    loss: float = 0.0
    weight: float = 0.0
    correct: float = 0.0
    examples: int = 0
    grad_norm: float = 0.0
    steps: int = 0

    def add(self, figures: StepOutput) -> None:
        """Add a step; its norm is left out after an overflow of float16."""
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
        return self.correct / max(1, self.examples)

    @property
    def mean_grad_norm(self) -> float:
        return self.grad_norm / max(1, self.steps)


@dataclass
class RunState:
    """The state of a run, without weights and moments."""

    step: int = 0
    """Number of finished updates; it determines the epoch and the position in it."""
    rate_factor: float = 1.0
    """Factor of the learning rate by plateaus."""
    sums: Sums = field(default_factory=Sums)
    history: list[Record] = field(default_factory=list)
    best: Record | None = None

    def to_dict(self) -> dict[str, Any]:
        """Convert to values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunState":
        """Build from the result of `to_dict`."""
        return cls(
            step=values["step"],
            rate_factor=values["rate_factor"],
            sums=Sums(**values["sums"]),
            history=[Record(**record) for record in values["history"]],
            best=Record(**values["best"]) if values["best"] else None,
        )
