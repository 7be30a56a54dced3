"""The training loop: updates, evaluations between them, and the best one remembered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from threading import Event
from typing import Any

from mlx_finbert.data.loader import Loader, Update
from mlx_finbert.evaluation.metrics import measure
from mlx_finbert.inference.logits import Forward
from mlx_finbert.interrupt import interrupt_noted
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.early_stopping import BestMetric, EarlyStopping, ReduceLROnPlateau
from mlx_finbert.training.failure import StepFailed
from mlx_finbert.training.schedules import Schedule
from mlx_finbert.training.state import Figures, Record, RunState, StepFigures, Sums
from mlx_finbert.training.step import TrainStep


@dataclass
class Plan:
    """The course of a run."""

    total_steps: int
    learning_rate: float
    """The peak."""
    schedule: Schedule
    eval_every: int = 0
    """Evaluate each so many steps too; 0 for the ends of the epochs alone."""
    save_every: int = 0
    """Tell the callbacks to save each so many steps; 0 for never."""
    best_metric: BestMetric = "last"
    plateau: ReduceLROnPlateau | None = None
    stopping: EarlyStopping | None = None


@dataclass
class Launched:
    """A step that is computed now."""

    number: int
    update: Update
    rate: float
    figures: Figures


class End(Exception):
    """The run ends here: `interrupted` (Ctrl-C), `diverged` (a figure that is not finite) or
    `stopped early`."""


@dataclass
class Fit:
    """A run over a model; `run` starts it, or goes on where `run_state` stands.

    The model is changed in place and ends with the weights of the last step. Everything that
    differs between two steps is in `step` (weights, moments, loss scale) and in `state()`.
    """

    step: TrainStep
    train: Loader
    """With a seed."""
    validation: Loader
    """Without one."""
    plan: Plan
    callbacks: Sequence[Callback] = ()
    run_state: RunState = field(default_factory=RunState)

    def __post_init__(self) -> None:
        self._forward = Forward(self.step.model, self.step.processes)

    def run(self) -> str:
        """Train to the end, evaluating at the ends of the epochs, between them, and at the end.

        Returns:
            `finished`, or how it ended before: `interrupted` after the step in which Ctrl-C was
            pressed, `diverged` at a loss or gradient that is not finite, the weights being those
            before it, or `stopped early`.

        Raises:
            StepFailed: for a step that could not be computed.
        """
        if self.plan.stopping and self.plan.stopping.is_over:
            return "stopped early"
        ending = "finished"
        try:
            with interrupt_noted() as interrupted:
                while self.run_state.step < self.plan.total_steps:
                    self._stretch(interrupted)
        except End as end:
            ending = str(end)
        self.step.put_back()
        return ending

    def _stretch(self, interrupted: Event) -> None:
        """Steps up to the next one that something is due after, and what is due.

        The host reads a step's figures while the next one is computed, so that neither waits.
        """
        running: Launched | None = None
        stop = False
        for number, update in self._updates():
            try:
                launched = self._launch(number, update, interrupted)
            except StepFailed as failure:
                if running and not failure.weights_lost:
                    self._end(running)
                    self.step.put_back()
                raise
            if running:
                stop = self._settle(running)
            running = launched
            if stop or self._is_boundary(number + 1) or self._was_interrupted(interrupted):
                break
        stop = self._end(running) or stop
        self._after(running.rate, stop, interrupted)

    def _end(self, last: Launched) -> bool:
        """Settle a step after which no other was started."""
        self.step.wait()
        return self._settle(last)

    def _updates(self) -> Iterator[tuple[int, Update]]:
        """From where the run stands to the end of the epoch, with their numbers."""
        epoch, done = divmod(self.run_state.step, len(self.train))
        return enumerate(self.train.updates(epoch, done), self.run_state.step)

    def _launch(self, number: int, update: Update, interrupted: Event) -> Launched:
        """Start a step."""
        rate = self.learning_rate(number)
        figures = self.step(update, number, rate, interrupted.is_set())
        return Launched(number, update, rate, figures)

    def _settle(self, launched: Launched) -> bool:
        """Wait for a step, count and tell it; whether any process was asked to stop."""
        if launched.figures.diverged:
            raise End("diverged")
        self.run_state.step += 1
        self.run_state.sums.add(launched.figures)
        self._tell_step(launched)
        return launched.figures.stop

    def _was_interrupted(self, interrupted: Event) -> bool:
        # Several processes stop together, after the step in which the last of them heard of it.
        return self.step.processes.size() == 1 and interrupted.is_set()

    def _is_boundary(self, step: int) -> bool:
        """Whether something is due after so many steps."""
        return self._is_end(step) or any(
            every and step % every == 0 for every in (self.plan.eval_every, self.plan.save_every)
        )

    def _is_end(self, step: int) -> bool:
        """Of the run, or of an epoch."""
        return step == self.plan.total_steps or step % len(self.train) == 0

    def _after(self, rate: float, stop: bool, interrupted: Event) -> None:
        """Evaluate and save where that is due, and end the run where it ends."""
        self.step.put_back()
        stopping = False
        if self._is_end(self.run_state.step) or self._is_due(self.plan.eval_every):
            stopping = self._evaluate(rate)
        # Ctrl-C may have come while validation rows were measured.
        stop = stop or self._was_interrupted(interrupted)
        if self._is_due(self.plan.save_every) or stop:
            self._tell("on_save", self)
        if stop:
            raise End("interrupted")
        if stopping:
            raise End("stopped early")

    def learning_rate(self, number: int) -> float:
        """Of an update, by the schedule and by what plateaus have left of it."""
        return self.plan.learning_rate * self.plan.schedule(number) * self.run_state.rate_factor

    def _is_due(self, every: int) -> bool:
        return every > 0 and self.run_state.step % every == 0

    def _evaluate(self, rate: float) -> bool:
        """Measure, record, and start new sums; returns whether to stop early."""
        record = self._measured(rate)
        if not isfinite(record.val_loss):
            raise End("diverged")
        run_state, plan = self.run_state, self.plan
        # A killed run may have had this very evaluation before.
        again = record == run_state.best
        is_best = again or record.is_better_than(run_state.best, plan.best_metric)
        run_state.best = record if is_best else run_state.best
        run_state.history.append(record)
        run_state.sums = Sums()
        if plan.plateau and rate:
            lowered = plan.plateau.update(getattr(record, plan.plateau.monitor), rate)
            run_state.rate_factor *= lowered / rate
        self._tell("on_evaluation", record, is_best)
        return bool(plan.stopping and plan.stopping.update(getattr(record, plan.best_metric)))

    def _measured(self, rate: float) -> Record:
        run_state = self.run_state
        metrics = measure(self._forward.all_logits(self.validation), self.validation.labels)
        return Record(
            step=run_state.step,
            epoch=round(run_state.step / len(self.train), 4),
            learning_rate=rate,
            loss=run_state.sums.mean_loss,
            accuracy=run_state.sums.accuracy,
            grad_norm=run_state.sums.mean_grad_norm,
            val_loss=metrics.loss,
            val_accuracy=metrics.accuracy,
            val_macro_f1=metrics.macro_f1,
            val_weighted_f1=metrics.weighted_f1,
            val_mcc=metrics.mcc,
        )

    def _tell_step(self, launched: Launched) -> None:
        told = StepFigures(
            epoch=launched.number // len(self.train),
            step=self.run_state.step,
            learning_rate=launched.rate,
            loss=self.run_state.sums.mean_loss,
            accuracy=self.run_state.sums.accuracy,
            grad_norm=launched.figures.grad_norm,
            num_tokens=sum(batch.num_tokens for batch in launched.update.batches),
        )
        self._tell("on_step", told)

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights and moments, for JSON."""
        return {
            "run_state": self.run_state.to_dict(),
            "plateau": self.plan.plateau and self.plan.plateau.state(),
            "early_stopping": self.plan.stopping and self.plan.stopping.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's `state()`."""
        self.run_state = RunState.from_dict(state["run_state"])
        if self.plan.plateau:
            self.plan.plateau.restore(state["plateau"])
        if self.plan.stopping:
            self.plan.stopping.restore(state["early_stopping"])
