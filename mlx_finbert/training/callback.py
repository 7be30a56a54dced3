"""What a run tells whoever watches it."""

from typing import TYPE_CHECKING, Any

from mlx_finbert.training.record import Record, StepFigures

if TYPE_CHECKING:
    from mlx_finbert.training.fit import Fit


class Callback:
    """What a run calls; override what you need."""

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        """Before the first step; `resumed_at` steps are done already, 0 for a new run."""

    def on_step(self, figures: StepFigures) -> None:
        """After each step."""

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        """After each evaluation."""

    def on_save(self, fit: "Fit") -> None:
        """When a checkpoint is due."""

    def on_end(self, end: str) -> None:
        """Once, however the run ended."""
