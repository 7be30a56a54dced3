"""The result of a run."""

from dataclasses import dataclass, field
from pathlib import Path

from mlx_finbert.evaluation.metrics import Metrics
from mlx_finbert.evaluation.notebook import html_table
from mlx_finbert.report import Predictions
from mlx_finbert.report.student import StudentAndTeacher
from mlx_finbert.training.state import RunState


@dataclass(repr=False)
class Result:
    """The result of a run; `load` and other functions take it as they take its folder."""

    folder: Path
    end: str
    """`finished`, `stopped early`, `interrupted`, `diverged` or `failed`."""
    run_state: RunState
    test: Metrics | None = None
    """Metrics of the best weights on the test rows, calibrated; None without test rows, and after
    Ctrl-C during training."""
    predictions: Predictions | None = None
    """Predictions of the best weights for the test rows, or for the validation rows if there are
    no test rows; after Ctrl-C during the measurement, for the rows that were ready."""
    labels: list[str] = field(default_factory=list)
    """Label names in the order of the logits."""
    temperature: float = 1.0
    """Temperature of the calibration; it is part of the saved model's output layer, but not of the
    logits of `predictions`."""
    distillation: StudentAndTeacher | None = None
    """The comparison with the teacher on the rows of `predictions`; None without a teacher."""

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def figures(self) -> dict[str, tuple[float, ...]]:
        """Loss, accuracy and macro-F1 of the validation rows and, if measured, the test rows."""
        found, best = {}, self.run_state.best
        if best:
            found["validation"] = tuple(best.validation.values())
        if self.test:
            found["test"] = self.test.loss, self.test.accuracy, self.test.macro_f1
        return found

    @property
    def heading(self) -> str:
        """One line on the folder and how the run ended."""
        return f"{self.folder}: {self.end} after {self.run_state.step:,} steps"

    def __repr__(self) -> str:
        about = "".join(
            f"; {rows} loss {loss:.4f}, accuracy {accuracy:.4f}, macro-F1 {macro_f1:.4f}"
            for rows, (loss, accuracy, macro_f1) in self.figures.items()
        )
        return f"Result({self.heading}{about})"

    def _repr_html_(self) -> str:
        """Show the figures of the weights that the run kept as a table in a notebook."""
        rows = [
            (name, *(f"{value:.4f}" for value in values)) for name, values in self.figures.items()
        ]
        return html_table(self.heading, ("rows", "loss", "accuracy", "macro-F1"), rows)
