"""What can be measured on labelled texts: a model of any format."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts

if TYPE_CHECKING:
    from mlx_finbert.evaluation.evaluate import Evaluation


class Measurable(Protocol):
    """A checkpoint in MLX, or a package of another format."""

    @property
    def name(self) -> str:
        """The user's name for the model."""

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the logits."""

    @property
    def run(self) -> TrainingRun:
        """The training run of the model."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences on its format, and on what it cannot read."""

    def check(self, rows: LabelledTexts, max_length: int | None) -> None:
        """Refuse rows with a label that the model lacks, and a length that it cannot have."""

    def measure(self, rows: LabelledTexts, batch_size: int, max_length: int | None) -> "Evaluation":
        """Measure the model; labels are matched by name."""
