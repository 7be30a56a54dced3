"""The training loop: epochs of steps, evaluations between them, and the best one remembered."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from types import FrameType

import mlx.optimizers as optim

from mlx_finbert.data.loader import Batch, Loader
from mlx_finbert.forward import Forward
from mlx_finbert.metrics import measure
from mlx_finbert.models import Classifier
from mlx_finbert.training.step import TrainStep, make_train_step


@dataclass
class Record:
    """One evaluation, and the training since the one before."""

    step: int
    epoch: float
    """Epochs done, as a fraction within one."""
    learning_rate: float
    """Of the last step."""
    loss: float
    """Mean training loss, with dropout on."""
    accuracy: float
    grad_norm: float
    """Mean over the steps, before clipping."""
    val_loss: float
    val_accuracy: float
    val_macro_f1: float

    def is_better_than(self, other: "Record | None") -> bool:
        """By validation macro-F1, then by validation loss."""
        if other is None:
            return True
        return (self.val_macro_f1, -self.val_loss) > (other.val_macro_f1, -other.val_loss)


@dataclass
class StepFigures:
    """One finished step, for whoever watches."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    """Loss and accuracy are means since the last evaluation."""
    num_tokens: int
    """Tokens of the batch that are not padding."""


@dataclass
class Outcome:
    """How a run ended."""

    history: list[Record] = field(default_factory=list)
    best: Record | None = None
    steps: int = 0
    end: str = "finished"
    """`finished`, `interrupted` (Ctrl-C) or `diverged` (a loss that is not finite)."""


@dataclass
class Sums:
    """Training figures since the last evaluation."""

    loss: float = 0.0
    correct: float = 0.0
    examples: float = 0.0
    grad_norm: float = 0.0
    steps: int = 0

    def add(self, figures: dict[str, float]) -> None:
        """Count one step."""
        self.loss += figures["loss"]
        self.correct += figures["correct"]
        self.examples += figures["examples"]
        self.grad_norm += figures["grad_norm"]
        self.steps += 1


class Diverged(Exception):
    """A loss is not finite."""


class Interrupted(Exception):
    """Ctrl-C was pressed."""


def fit(
    model: Classifier,
    optimizer: optim.Optimizer,
    train: Loader,
    validation: Loader,
    epochs: int,
    max_grad_norm: float = 1.0,
    eval_every: int = 0,
    on_step: Callable[[StepFigures], None] = lambda figures: None,
    on_evaluation: Callable[[Record, bool], None] = lambda record, is_best: None,
) -> Outcome:
    """Train a classifier and evaluate it at the end of every epoch.

    Args:
        model: changed in place; it ends with the weights of the last step, in evaluation mode.
        optimizer: its state is loaded or fresh; its learning rate may be a schedule.
        train: a loader with a seed.
        validation: a loader without one.
        epochs: passes over the training rows.
        max_grad_norm: the gradients' global norm is clipped to this.
        eval_every: evaluate each so many steps too; 0 for the ends of the epochs alone.
        on_step: called after every step.
        on_evaluation: called after every evaluation, and told whether it is the best so far; the
            model then has the weights that were evaluated.

    Returns:
        The history, the best evaluation, and how the run ended: Ctrl-C ends it after the step
        under way, a training or validation loss that is not finite at once.
    """
    model.train()
    fitting = Fitting(
        model=model,
        optimizer=optimizer,
        train_step=make_train_step(model, optimizer, max_grad_norm),
        forward=Forward(model),
        validation=validation,
        on_step=on_step,
        on_evaluation=on_evaluation,
    )
    try:
        with interrupt_noted() as interrupted:
            for epoch in range(epochs):
                for i, batch in enumerate(train.epoch(epoch), 1):
                    fitting.step(epoch, batch)
                    if interrupted.is_set():
                        raise Interrupted
                    if i == len(train) or (eval_every and fitting.outcome.steps % eval_every == 0):
                        fitting.evaluate(epoch + i / len(train))
    except (Diverged, Interrupted) as end:
        fitting.outcome.end = type(end).__name__.lower()
    model.eval()
    return fitting.outcome


@dataclass
class Fitting:
    """What the loop of `fit` works with and fills."""

    model: Classifier
    optimizer: optim.Optimizer
    train_step: TrainStep
    forward: Forward
    validation: Loader
    on_step: Callable[[StepFigures], None]
    on_evaluation: Callable[[Record, bool], None]
    outcome: Outcome = field(default_factory=Outcome)
    sums: Sums = field(default_factory=Sums)

    def step(self, epoch: int, batch: Batch) -> None:
        """One update, counted and told."""
        figures = {name: value.item() for name, value in self.train_step(batch).items()}
        self.outcome.steps += 1
        if not isfinite(figures["loss"]):
            raise Diverged
        self.sums.add(figures)
        self.on_step(
            StepFigures(
                epoch=epoch,
                step=self.outcome.steps,
                loss=self.sums.loss / self.sums.examples,
                accuracy=self.sums.correct / self.sums.examples,
                num_tokens=batch.num_tokens,
            )
        )

    def evaluate(self, epochs_done: float) -> None:
        """Measure on the validation rows, record, and start new sums."""
        record = self.measured(epochs_done)
        if not isfinite(record.val_loss):
            raise Diverged
        is_best = record.is_better_than(self.outcome.best)
        self.outcome.best = record if is_best else self.outcome.best
        self.outcome.history.append(record)
        self.sums = Sums()
        self.on_evaluation(record, is_best)

    def measured(self, epochs_done: float) -> Record:
        metrics = measure(self.forward.all_logits(self.validation), self.validation.labels)
        return Record(
            step=self.outcome.steps,
            epoch=round(epochs_done, 4),
            learning_rate=self.optimizer.learning_rate.item(),
            loss=self.sums.loss / self.sums.examples,
            accuracy=self.sums.correct / self.sums.examples,
            grad_norm=self.sums.grad_norm / self.sums.steps,
            val_loss=metrics.loss,
            val_accuracy=metrics.accuracy,
            val_macro_f1=metrics.macro_f1,
        )


@contextmanager
def interrupt_noted() -> Iterator[threading.Event]:
    """Ctrl-C sets the event once; a second one interrupts as usual.

    Nothing is installed off the main thread, which signals do not reach, and where the signal is
    ignored, as under `nohup`.
    """
    noted = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before in (None, signal.SIG_IGN):
        yield noted
        return

    def note(signum: int, frame: FrameType | None) -> None:
        noted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
