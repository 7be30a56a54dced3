"""Best metric, early stopping and learning-rate plateaus."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlx_finbert.settings import require

MetricName = Literal[
    "loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_weighted_f1", "val_mcc"
]

BestMetric = Literal["last", MetricName]
"""How to choose the evaluation whose weights are kept."""

HIGHER_IS_BETTER: dict[str, bool] = {
    "loss": False,
    "accuracy": True,
    "val_loss": False,
    "val_accuracy": True,
    "val_macro_f1": True,
    "val_weighted_f1": True,
    "val_mcc": True,
}
"""The metrics of a `Record` that can be monitored."""


def higher_is_better(metric: str, name: str) -> bool:
    """Whether higher values of a metric are better.

    Args:
        metric: a key of `HIGHER_IS_BETTER`.
        name: the parameter that names the metric, for the error message.

    Raises:
        InputError: for an unknown metric; names the parameter and lists the metrics.
    """
    metrics = ", ".join(HIGHER_IS_BETTER)
    require(metric in HIGHER_IS_BETTER, name, metric, f"must be one of {metrics}")
    return HIGHER_IS_BETTER[metric]


@dataclass
class Best:
    """The best value of a metric so far; a tie does not replace it."""

    higher_is_better: bool
    min_delta: float = 0.0
    """An improvement must be larger than this."""
    value: float | None = None

    def update(self, value: float) -> bool:
        """Keep the value if it is better; return whether it is."""
        better = self.value is None or self._beats(value, self.value)
        if better:
            self.value = value
        return better

    def _beats(self, value: float, best: float) -> bool:
        # Keras compares in float32: 0.5631 is not better than 0.563 by more than 0.0001.
        if self.higher_is_better:
            return bool(np.float32(value - self.min_delta) > np.float32(best))
        return bool(np.float32(value + self.min_delta) < np.float32(best))


@dataclass
class EarlyStopping:
    """Stop after `patience` evaluations in a row without improvement."""

    patience: int
    best: Best
    wait: int = 0
    """Evaluations since the best one."""

    def update(self, value: float) -> bool:
        """Add the metric of an evaluation; return whether to stop."""
        self.wait = 0 if self.best.update(value) else self.wait + 1
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the run should stop."""
        return self.wait >= self.patience

    def state(self) -> dict[str, Any]:
        """State for a checkpoint, as values that JSON can hold."""
        return {"best": self.best.value, "wait": self.wait}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the `state()` of a checkpoint."""
        self.best.value, self.wait = state["best"], state["wait"]


@dataclass
class ReduceLROnPlateau:
    """Keras' callback of this name, with the same parameters, defaults and behaviour.

    Source: keras/src/callbacks/reduce_lr_on_plateau.py (3.15). Keras also accepts a factor of 0 or
    below, which would end or undo the training, and a negative `min_delta`; both are errors here.

    Raises:
        InputError: for a value out of range; names the parameter.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    """The learning rate is multiplied by this."""
    patience: int = 10
    """Evaluations in a row without improvement that count as a plateau."""
    min_lr: float = 0.0
    """Lower bound of the learning rate."""
    min_delta: float = 1e-4
    """An improvement must be larger than this."""
    cooldown: int = 0
    """Evaluations to ignore after the rate was lowered."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether lower or higher is better; auto decides by the metric."""

    best: Best = field(init=False)
    wait: int = field(init=False, default=0)
    """Evaluations without improvement since the best one, or since the rate was lowered."""
    cooling: int = field(init=False, default=0)
    """Remaining evaluations of the cooldown."""

    def __post_init__(self) -> None:
        higher = higher_is_better(self.monitor, "plateau_monitor")
        at_least_0 = "must be at least 0"
        require(0 < self.factor < 1, "plateau_factor", self.factor, "must be between 0 and 1")
        require(self.patience >= 0, "plateau_patience", self.patience, at_least_0)
        require(self.min_lr >= 0, "plateau_min_lr", self.min_lr, at_least_0)
        require(self.min_delta >= 0, "plateau_min_delta", self.min_delta, at_least_0)
        require(self.cooldown >= 0, "plateau_cooldown", self.cooldown, at_least_0)
        modes = {"auto": higher, "min": False, "max": True}
        rule = f"must be one of {', '.join(modes)}"
        require(self.mode in modes, "plateau_mode", self.mode, rule)
        self.best = Best(modes[self.mode], self.min_delta)

    def update(self, value: float, learning_rate: float) -> float:
        """Add the monitored metric of an evaluation.

        Returns:
            The new learning rate.
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
        # Keras compares in float32: rounding may have left the rate just above min_lr.
        return bool(np.float32(learning_rate) > np.float32(self.min_lr))

    def state(self) -> dict[str, Any]:
        """State for a checkpoint; the caller saves the learning rate itself."""
        return {"best": self.best.value, "wait": self.wait, "cooling": self.cooling}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the `state()` of a checkpoint."""
        self.best.value, self.wait, self.cooling = state["best"], state["wait"], state["cooling"]
