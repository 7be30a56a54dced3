"""The training loop: updates, evaluations and checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from threading import Event
from typing import Any

from mlx_finbert.data.loader import Update
from mlx_finbert.interrupt import interrupt_noted
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.early_stopping import BestMetric, EarlyStopping, ReduceLROnPlateau
from mlx_finbert.training.objective import Updates, Validation
from mlx_finbert.training.schedules import Schedule
from mlx_finbert.training.state import Record, RunEnd, RunState, StepMetrics, StepOutput, Sums
from mlx_finbert.training.step import StepFailed, TrainStep


@dataclass
class TrainingArgs:
    """Length, learning rate, evaluation and stopping of a run."""

    total_steps: int
    learning_rate: float
    """Peak learning rate."""
    schedule: Schedule
    eval_steps: int = 0
    """Also evaluate every `eval_steps` steps; 0 evaluates only at the end of each epoch."""
    save_steps: int = 0
    """Call `on_save` every `save_steps` steps; 0 disables."""
    best_metric: BestMetric = "last"
    plateau: ReduceLROnPlateau | None = None
    stopping: EarlyStopping | None = None


@dataclass
class Trainer:
    """Train a model; `train` starts at `run_state`, which may be a restored one.

    The model is changed in place and ends with the weights of the last step. Everything that
    changes between two steps is in `step` (weights, moments, loss scale) and in `state()`.
    """

    step: TrainStep
    train_loader: Updates
    validation: Validation
    args: TrainingArgs
    callbacks: Sequence[Callback] = ()
    run_state: RunState = field(default_factory=RunState)

    def train(self) -> RunEnd:
        """Train to the end; evaluate after each epoch, every `eval_steps` steps, and at the end.

        After Ctrl-C the run ends with the current step. If a loss or a gradient is not finite, it
        ends with the weights before that step.

        Raises:
            StepFailed: if a step could not be computed.
        """
        if self.args.stopping and self.args.stopping.is_over:
            return RunEnd.STOPPED_EARLY
        end = None
        with interrupt_noted() as interrupted:
            while end is None and self.run_state.step < self.args.total_steps:
                end = self._stretch(interrupted)
        return end or RunEnd.FINISHED

    def _stretch(self, interrupted: Event) -> RunEnd | None:
        """Run the steps up to the next evaluation or checkpoint, then do these.

        The host reads a step's output while the next one is computed, so that neither waits.
        """
        before: StepOutput | None = None
        stop = False
        for number, update in self._updates():
            try:
                output = self.step(update, number, self.learning_rate(number), interrupted.is_set())
            except StepFailed as failure:
                if before and not failure.weights_lost:
                    self.step.wait()
                    self._settle(before)
                raise
            if before and not self._settle(before):
                return RunEnd.DIVERGED
            stop = before is not None and before.stop
            before = output
            if stop or self._is_boundary(number + 1) or self._was_interrupted(interrupted):
                break
        assert before is not None  # an epoch has an update
        self.step.wait()
        if not self._settle(before):
            return RunEnd.DIVERGED
        return self._after(before.learning_rate, stop or before.stop, interrupted)

    def _updates(self) -> Iterator[tuple[int, Update]]:
        """The remaining updates of the current epoch, with their numbers."""
        epoch, done = divmod(self.run_state.step, len(self.train_loader))
        return enumerate(self.train_loader.updates(epoch, done), self.run_state.step)

    def _settle(self, output: StepOutput) -> bool:
        """Wait for a step, count it and call the callbacks; return False if it diverged."""
        if output.diverged:
            return False
        self.run_state.step += 1
        sums = self.run_state.sums
        sums.add(output)
        metrics = StepMetrics(
            epoch=output.number // len(self.train_loader),
            step=self.run_state.step,
            learning_rate=output.learning_rate,
            loss=sums.mean_loss,
            accuracy=sums.accuracy,
            step_loss=output.loss / output.weight,
            step_accuracy=output.accuracy,
            grad_norm=output.grad_norm,
            num_tokens=sum(batch.num_tokens for batch in output.update.batches),
        )
        self._notify("on_step", metrics)
        return True

    def _was_interrupted(self, interrupted: Event) -> bool:
        # Several processes must stop together, so there the step's output decides.
        return self.step.processes.size() == 1 and interrupted.is_set()

    def _is_boundary(self, step: int) -> bool:
        """Whether an evaluation or a checkpoint is due after this number of steps."""
        return self._is_end(step) or any(
            every and step % every == 0 for every in (self.args.eval_steps, self.args.save_steps)
        )

    def _is_end(self, step: int) -> bool:
        """Whether the run or an epoch ends after this number of steps."""
        return step == self.args.total_steps or step % len(self.train_loader) == 0

    def _after(self, rate: float, stop: bool, interrupted: Event) -> RunEnd | None:
        """Evaluate and save if due; return how the run ends, or None if it continues."""
        end = None
        if self._is_end(self.run_state.step) or self._is_due(self.args.eval_steps):
            end = self._evaluate(rate)
        if end == RunEnd.DIVERGED:
            return end
        # Ctrl-C may have come during the evaluation.
        stop = stop or self._was_interrupted(interrupted)
        if self._is_due(self.args.save_steps) or stop:
            self._notify("on_save", self.state(), self.step.state.arrays())
        return RunEnd.INTERRUPTED if stop else end

    def learning_rate(self, number: int) -> float:
        """The learning rate of an update, by the schedule and by plateaus."""
        return self.args.learning_rate * self.args.schedule(number) * self.run_state.rate_factor

    def _is_due(self, every: int) -> bool:
        return every > 0 and self.run_state.step % every == 0

    def _evaluate(self, rate: float) -> RunEnd | None:
        """Evaluate and reset the sums; return how the run ends, or None if it continues."""
        record = self._measured(rate)
        if not isfinite(record.val_loss):
            return RunEnd.DIVERGED
        run_state, args = self.run_state, self.args
        # A killed run may have saved this same evaluation as the best one.
        again = record == run_state.best
        is_best = again or record.is_better_than(run_state.best, args.best_metric)
        run_state.best = record if is_best else run_state.best
        run_state.history.append(record)
        run_state.sums = Sums()
        if args.plateau and rate:
            lowered = args.plateau.update(getattr(record, args.plateau.monitor), rate)
            run_state.rate_factor *= lowered / rate
        self._notify("on_evaluation", record, is_best)
        if args.stopping and args.stopping.update(getattr(record, args.best_metric)):
            return RunEnd.STOPPED_EARLY
        return None

    def _measured(self, rate: float) -> Record:
        run_state = self.run_state
        return Record(
            step=run_state.step,
            epoch=round(run_state.step / len(self.train_loader), 4),
            learning_rate=rate,
            loss=run_state.sums.mean_loss,
            accuracy=run_state.sums.accuracy,
            grad_norm=run_state.sums.mean_grad_norm,
            **self.validation(),
        )

    def _notify(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def state(self) -> dict[str, Any]:
        """State for a checkpoint, without weights and moments, as values that JSON can hold."""
        return {
            "run_state": self.run_state.to_dict(),
            "plateau": self.args.plateau and self.args.plateau.state(),
            "early_stopping": self.args.stopping and self.args.stopping.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the `state()` of a checkpoint."""
        self.run_state = RunState.from_dict(state["run_state"])
        if self.args.plateau:
            self.args.plateau.restore(state["plateau"])
        if self.args.stopping:
            self.args.stopping.restore(state["early_stopping"])
