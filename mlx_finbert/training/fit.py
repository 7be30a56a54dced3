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
from mlx_finbert.forward import Forward, all_logits, make_forward
from mlx_finbert.metrics import measure
from mlx_finbert.models import Classifier
from mlx_finbert.training.step import make_train_step


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
        self.loss += figures["loss"]
        self.correct += figures["correct"]
        self.examples += figures["examples"]
        self.grad_norm += figures["grad_norm"]
        self.steps += 1


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
        under way, a loss that is not finite at once.
    """
    step, forward = make_train_step(model, optimizer, max_grad_norm), make_forward(model)
    outcome, sums = Outcome(), Sums()
    with interrupt_noted() as interrupted:
        for epoch in range(epochs):
            for i, batch in enumerate(train.epoch(epoch), 1):
                model.train()
                figures = {name: value.item() for name, value in step(batch).items()}
                outcome.steps += 1
                if not isfinite(figures["loss"]):
                    outcome.end = "diverged"
                    return _ended(model, outcome)
                sums.add(figures)
                on_step(_figures(epoch, outcome.steps, sums, batch))
                if interrupted.is_set():
                    outcome.end = "interrupted"
                    return _ended(model, outcome)
                if i == len(train) or (eval_every and outcome.steps % eval_every == 0):
                    progress = epoch + i / len(train)
                    record = _evaluate(
                        model, forward, validation, optimizer, outcome.steps, progress, sums
                    )
                    is_best = record.is_better_than(outcome.best)
                    outcome.best = record if is_best else outcome.best
                    outcome.history.append(record)
                    on_evaluation(record, is_best)
                    sums = Sums()
    return _ended(model, outcome)


def _ended(model: Classifier, outcome: Outcome) -> Outcome:
    model.eval()
    return outcome


def _figures(epoch: int, step: int, sums: Sums, batch: Batch) -> StepFigures:
    return StepFigures(
        epoch, step, sums.loss / sums.examples, sums.correct / sums.examples, batch.num_tokens
    )


def _evaluate(
    model: Classifier,
    forward: Forward,
    validation: Loader,
    optimizer: optim.Optimizer,
    step: int,
    epoch: float,
    sums: Sums,
) -> Record:
    model.eval()
    metrics = measure(all_logits(forward, validation, model.args.num_labels), validation.labels)
    return Record(
        step=step,
        epoch=round(epoch, 4),
        learning_rate=optimizer.learning_rate.item(),
        loss=sums.loss / sums.examples,
        accuracy=sums.correct / sums.examples,
        grad_norm=sums.grad_norm / sums.steps,
        val_loss=metrics.loss,
        val_accuracy=metrics.accuracy,
        val_macro_f1=metrics.macro_f1,
    )


@contextmanager
def interrupt_noted() -> Iterator[threading.Event]:
    """Ctrl-C sets the event once; a second one interrupts as usual.

    Signals reach the main thread alone, so elsewhere nothing is installed.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(signum: int, frame: FrameType | None) -> None:
        noted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
