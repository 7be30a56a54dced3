"""Flags for the length of a run, its learning rate, evaluation and early stopping."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from mlx_finbert.settings import refuse_without, require, setting
from mlx_finbert.training.early_stopping import (
    HIGHER_IS_BETTER,
    Best,
    BestMetric,
    EarlyStopping,
    MetricName,
    ReduceLROnPlateau,
)
from mlx_finbert.training.schedules import Schedule, ScheduleName, make_schedule, warmup_steps_of


@dataclass(kw_only=True)
class CourseSettings:
    """Duration, learning rate and evaluation."""

    num_train_epochs: int = setting(4, "number of passes over the training rows")
    max_steps: int | None = setting(None, "train for N updates; overrides --num-train-epochs")
    eval_steps: int = setting(0, "also evaluate every N steps; 0 evaluates after epochs only")
    metric_for_best_model: BestMetric = setting(
        "last", "keep the model of the last evaluation, or of the best one by this metric"
    )
    learning_rate: float | None = setting(
        None,
        "peak learning rate, reached after the warm-up (default: 1e-4 for models up to 384 wide,"
        " 2e-5 from 768 on, between them falling; five times that with --lora-rank)",
    )
    lr_scheduler_type: ScheduleName = setting("linear", "learning-rate schedule after the warm-up")
    warmup_ratio: float = setting(0.1, "share of the steps used for the warm-up")
    warmup_steps: int | None = setting(None, "warm up for N steps; overrides --warmup-ratio")
    num_cycles: int = setting(1, "number of cycles of --lr-scheduler-type cosine_with_restarts")
    power: float = setting(1.0, "exponent of --lr-scheduler-type polynomial")
    plateau_monitor: MetricName | None = setting(
        None, "lower the rate when this metric stops improving (Keras' ReduceLROnPlateau)"
    )
    plateau_factor: float = setting(0.1, "multiply the rate by this at a plateau")
    plateau_patience: int = setting(10, "a plateau is N evaluations without improvement")
    plateau_min_lr: float = setting(0.0, "do not lower the rate below this at a plateau")
    plateau_min_delta: float = setting(1e-4, "an improvement must be larger than this")
    plateau_cooldown: int = setting(0, "ignore N evaluations after a plateau")
    plateau_mode: Literal["auto", "min", "max"] = setting(
        "auto", "whether lower (min) or higher (max) is better; auto decides by the metric"
    )
    early_stopping_patience: int | None = setting(
        None, "stop after N evaluations without improvement of --metric-for-best-model"
    )
    early_stopping_threshold: float = setting(0.0, "an improvement must be larger than this")

    def check_course(self) -> None:
        """Refuse values out of range and settings that would have no effect."""
        steps, warmup = self.max_steps, self.warmup_steps
        patience, threshold = self.early_stopping_patience, self.early_stopping_threshold
        epochs, ratio, rate = self.num_train_epochs, self.warmup_ratio, self.learning_rate
        require(epochs >= 1, "num_train_epochs", epochs, "must be at least 1")
        require(steps is None or steps >= 1, "max_steps", steps, "must be at least 1")
        require(self.eval_steps >= 0, "eval_steps", self.eval_steps, "must be at least 0")
        require(rate is None or rate > 0, "learning_rate", rate, "must be above 0")
        require(0 <= ratio <= 1, "warmup_ratio", ratio, "must be from 0 to 1")
        require(warmup is None or warmup >= 0, "warmup_steps", warmup, "must be at least 0")
        require(self.num_cycles >= 1, "num_cycles", self.num_cycles, "must be at least 1")
        require(self.power > 0, "power", self.power, "must be above 0")
        valid = patience is None or patience >= 1
        require(valid, "early_stopping_patience", patience, "must be at least 1")
        require(threshold >= 0, "early_stopping_threshold", threshold, "must be at least 0")
        for names, other, given in self._dependent_settings():
            refuse_without(self, names, other, given)
        # These refuse invalid values too.
        if rate is not None:
            self.lr_schedule(steps_per_epoch=1)
        self.plateau()
        self.early_stopping()

    def _dependent_settings(self) -> Iterator[tuple[list[str], str, bool]]:
        restarts, polynomial = "cosine_with_restarts", "polynomial"
        plateau = [f.name for f in fields(self) if f.name.startswith("plateau_")]
        yield ["num_cycles"], f"`lr_scheduler_type={restarts}`", self.lr_scheduler_type == restarts
        yield ["power"], f"`lr_scheduler_type={polynomial}`", self.lr_scheduler_type == polynomial
        yield plateau, "`plateau_monitor`", self.plateau_monitor is not None
        chosen = self.metric_for_best_model != "last"
        metric = "`metric_for_best_model`, such as val_loss"
        yield ["early_stopping_patience"], metric, chosen
        stopping = self.early_stopping_patience is not None
        yield ["early_stopping_threshold"], "`early_stopping_patience`", stopping

    @property
    def peak_rate(self) -> float:
        """The learning rate, once it is given or `for_model` has chosen it.

        Raises:
            ValueError: before that.
        """
        if self.learning_rate is None:
            raise ValueError("the learning rate follows the model: call `for_model` first")
        return self.learning_rate

    def total_steps(self, steps_per_epoch: int) -> int:
        """Number of updates of the run."""
        return self.max_steps or self.num_train_epochs * steps_per_epoch

    def lr_schedule(self, steps_per_epoch: int) -> Schedule:
        """The learning-rate schedule for this number of updates per epoch."""
        total = self.total_steps(steps_per_epoch)
        warmup = warmup_steps_of(total, self.warmup_steps, self.warmup_ratio)
        return make_schedule(
            self.lr_scheduler_type, total, warmup, self.peak_rate, self.num_cycles, self.power
        )

    def epochs_of(self, steps_per_epoch: int) -> int:
        """Number of passes over the rows; the last one may be incomplete."""
        return -(-self.total_steps(steps_per_epoch) // steps_per_epoch)

    def plateau(self) -> ReduceLROnPlateau | None:
        """The reduction of the learning rate at plateaus; None without `plateau_monitor`."""
        if self.plateau_monitor is None:
            return None
        return ReduceLROnPlateau(
            self.plateau_monitor,
            self.plateau_factor,
            self.plateau_patience,
            self.plateau_min_lr,
            self.plateau_min_delta,
            self.plateau_cooldown,
            self.plateau_mode,
        )

    def early_stopping(self) -> EarlyStopping | None:
        """The rule of early stopping; None without `early_stopping_patience`."""
        if self.early_stopping_patience is None:
            return None
        best = Best(HIGHER_IS_BETTER[self.metric_for_best_model], self.early_stopping_threshold)
        return EarlyStopping(self.early_stopping_patience, best)
