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
from mlx_finbert.training.args import TrainingArgs
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.failure import StepFailed
from mlx_finbert.training.state import Record, RunEnd, RunState, StepMetrics, StepOutput, Sums
from mlx_finbert.training.step import TrainStep


@dataclass
class Trainer:
    """A run over a model; `train` starts it, or goes on where `run_state` stands.

    The model is changed in place and ends with the weights of the last step. Everything that
    differs between two steps is in `step` (weights, moments, loss scale) and in `state()`.
    """

    step: TrainStep
    train_loader: Loader
    """With a seed."""
    validation_loader: Loader
    """Without one."""
    args: TrainingArgs
    callbacks: Sequence[Callback] = ()
    run_state: RunState = field(default_factory=RunState)

    def __post_init__(self) -> None:
        self._forward = Forward(self.step.model, self.step.processes)

    def train(self) -> RunEnd:
        """Train to the end, evaluating at the ends of the epochs, between them, and at the end.

        After Ctrl-C the run ends with the step under way; where a loss or a gradient is not finite,
        with the weights before that step.

        Raises:
            StepFailed: for a step that could not be computed.
        """
        if self.args.stopping and self.args.stopping.is_over:
            return RunEnd.STOPPED_EARLY
        end = None
        with interrupt_noted() as interrupted:
            while end is None and self.run_state.step < self.args.total_steps:
                end = self._stretch(interrupted)
        return end or RunEnd.FINISHED

    def _stretch(self, interrupted: Event) -> RunEnd | None:
        """Steps up to the next one that something is due after, and what is due.

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
        """From where the run stands to the end of the epoch, with their numbers."""
        epoch, done = divmod(self.run_state.step, len(self.train_loader))
        return enumerate(self.train_loader.updates(epoch, done), self.run_state.step)

    def _settle(self, output: StepOutput) -> bool:
        """Wait for a step, count and tell it; False where it diverged."""
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
            grad_norm=output.grad_norm,
            num_tokens=sum(batch.num_tokens for batch in output.update.batches),
        )
        self._tell("on_step", metrics)
        return True

    def _was_interrupted(self, interrupted: Event) -> bool:
        # Several processes stop together, after the step in which the last of them heard of it.
        return self.step.processes.size() == 1 and interrupted.is_set()

    def _is_boundary(self, step: int) -> bool:
        """Whether something is due after so many steps."""
        return self._is_end(step) or any(
            every and step % every == 0 for every in (self.args.eval_steps, self.args.save_steps)
        )

    def _is_end(self, step: int) -> bool:
        """Of the run, or of an epoch."""
        return step == self.args.total_steps or step % len(self.train_loader) == 0

    def _after(self, rate: float, stop: bool, interrupted: Event) -> RunEnd | None:
        """Evaluate and save where that is due; returns how the run ends, where it does here."""
        end = None
        if self._is_end(self.run_state.step) or self._is_due(self.args.eval_steps):
            end = self._evaluate(rate)
        if end == RunEnd.DIVERGED:
            return end
        # Ctrl-C may have come while validation rows were measured.
        stop = stop or self._was_interrupted(interrupted)
        if self._is_due(self.args.save_steps) or stop:
            self._tell("on_save", self.state(), self.step.state.arrays())
        return RunEnd.INTERRUPTED if stop else end

    def learning_rate(self, number: int) -> float:
        """Of an update, by the schedule and by what plateaus have left of it."""
        return self.args.learning_rate * self.args.schedule(number) * self.run_state.rate_factor

    def _is_due(self, every: int) -> bool:
        return every > 0 and self.run_state.step % every == 0

    def _evaluate(self, rate: float) -> RunEnd | None:
        """Measure, record, and start new sums; returns how the run ends, where it does here."""
        record = self._measured(rate)
        if not isfinite(record.val_loss):
            return RunEnd.DIVERGED
        run_state, args = self.run_state, self.args
        # A killed run may have had this very evaluation before.
        again = record == run_state.best
        is_best = again or record.is_better_than(run_state.best, args.best_metric)
        run_state.best = record if is_best else run_state.best
        run_state.history.append(record)
        run_state.sums = Sums()
        if args.plateau and rate:
            lowered = args.plateau.update(getattr(record, args.plateau.monitor), rate)
            run_state.rate_factor *= lowered / rate
        self._tell("on_evaluation", record, is_best)
        if args.stopping and args.stopping.update(getattr(record, args.best_metric)):
            return RunEnd.STOPPED_EARLY
        return None

    def _measured(self, rate: float) -> Record:
        run_state = self.run_state
        metrics = measure(
            self._forward.all_logits(self.validation_loader), self.validation_loader.labels
        )
        return Record(
            step=run_state.step,
            epoch=round(run_state.step / len(self.train_loader), 4),
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

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights and moments, for JSON."""
        return {
            "run_state": self.run_state.to_dict(),
            "plateau": self.args.plateau and self.args.plateau.state(),
            "early_stopping": self.args.stopping and self.args.stopping.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's `state()`."""
        self.run_state = RunState.from_dict(state["run_state"])
        if self.args.plateau:
            self.args.plateau.restore(state["plateau"])
        if self.args.stopping:
            self.args.stopping.restore(state["early_stopping"])
