"""Which evaluation's weights are kept, and when to stop for want of a better one."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlx_finbert.settings import require

MetricName = Literal[
    "loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_weighted_f1", "val_mcc"
]

BestMetric = Literal["last", MetricName]
"""By what the evaluation is chosen whose weights are kept."""

HIGHER_IS_BETTER: dict[str, bool] = {
    "loss": False,
    "accuracy": True,
    "val_loss": False,
    "val_accuracy": True,
    "val_macro_f1": True,
    "val_weighted_f1": True,
    "val_mcc": True,
}
"""The figures of an evaluation's `Record` by which a run can be steered."""


def higher_is_better(metric: str, flag: str) -> bool:
    """The direction of a metric that the user named after a flag.

    Raises:
        InputError: names the flag and the metrics that there are.
    """
    require(metric in HIGHER_IS_BETTER, flag, metric, f"one of {', '.join(HIGHER_IS_BETTER)}")
    return HIGHER_IS_BETTER[metric]


@dataclass
class Best:
    """The best value of a metric; one that is no better than the best does not replace it."""

    higher_is_better: bool
    min_delta: float = 0.0
    """A value must be better by more than this."""
    value: float | None = None

    def update(self, value: float) -> bool:
        """Remember the value if it is better; tell whether it is."""
        better = self.value is None or self._beats(value, self.value)
        if better:
            self.value = value
        return better

    def _beats(self, value: float, best: float) -> bool:
        # In float32, as Keras compares: 0.5631 is not better than 0.563 by more than 0.0001.
        if self.higher_is_better:
            return bool(np.float32(value - self.min_delta) > np.float32(best))
        return bool(np.float32(value + self.min_delta) < np.float32(best))


@dataclass
class EarlyStopping:
    """Stop after `patience` evaluations in a row that are no better than the best."""

    patience: int
    best: Best
    wait: int = 0
    """Evaluations since the best."""

    def update(self, value: float) -> bool:
        """Take the metric of an evaluation; tell whether to stop."""
        self.wait = 0 if self.best.update(value) else self.wait + 1
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the run has come to its end."""
        return self.wait >= self.patience

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, for JSON."""
        return {"best": self.best.value, "wait": self.wait}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's `state()`."""
        self.best.value, self.wait = state["best"], state["wait"]


@dataclass
class ReduceLROnPlateau:
    """Keras' callback of this name: its parameters, its defaults, its course.

    Source: keras/src/callbacks/reduce_lr_on_plateau.py (3.15). Keras also takes a factor of 0 or
    below, which would end or undo the training, and a negative `min_delta`; both are refused.

    Raises:
        InputError: names the flag of the parameter.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    """The learning rate is multiplied by this."""
    patience: int = 10
    """Evaluations in a row without a better value, after which the rate falls."""
    min_lr: float = 0.0
    """The rate falls no lower."""
    min_delta: float = 1e-4
    """A value must be better by more than this."""
    cooldown: int = 0
    """Evaluations after a fall that do not count."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether lower or higher is better; auto knows it from the metric."""

    best: Best = field(init=False)
    wait: int = field(init=False, default=0)
    """Evaluations without a better value since the best, or since the last fall."""
    cooling: int = field(init=False, default=0)
    """Evaluations of the cooldown that are left."""

    def __post_init__(self) -> None:
        higher = higher_is_better(self.monitor, "--plateau-monitor")
        require(0 < self.factor < 1, "--plateau-factor", self.factor, "between 0 and 1")
        require(self.patience >= 0, "--plateau-patience", self.patience, "at least 0")
        require(self.min_lr >= 0, "--plateau-min-lr", self.min_lr, "at least 0")
        require(self.min_delta >= 0, "--plateau-min-delta", self.min_delta, "at least 0")
        require(self.cooldown >= 0, "--plateau-cooldown", self.cooldown, "at least 0")
        modes = {"auto": higher, "min": False, "max": True}
        require(self.mode in modes, "--plateau-mode", self.mode, f"one of {', '.join(modes)}")
        self.best = Best(modes[self.mode], self.min_delta)

    def update(self, value: float, learning_rate: float) -> float:
        """Take the monitored metric of an evaluation.

        Returns:
            The learning rate from here on.
        """
        if self.cooling:
            self.cooling -= 1
        if self.best.update(value):
            self.wait = 0
        elif not self.cooling:
            self.wait += 1
            if self.wait >= self.patience and self._can_fall(learning_rate):
                self.cooling, self.wait = self.cooldown, 0
                return max(learning_rate * self.factor, self.min_lr)
        return learning_rate

    def _can_fall(self, learning_rate: float) -> bool:
        # In float32, as Keras compares: rounding may have left the rate just above min_lr.
        return bool(np.float32(learning_rate) > np.float32(self.min_lr))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, for JSON; the rate itself is the caller's."""
        return {"best": self.best.value, "wait": self.wait, "cooling": self.cooling}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's `state()`."""
        self.best.value, self.wait, self.cooling = state["best"], state["wait"], state["cooling"]
