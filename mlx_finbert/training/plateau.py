"""A learning rate that falls when a metric gets no better, as Keras has it."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlx_finbert.settings import require
from mlx_finbert.training.stopping import Best, higher_is_better


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
