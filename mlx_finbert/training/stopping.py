"""Which evaluation's weights are kept, and when to stop for want of a better one."""

from dataclasses import dataclass
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
