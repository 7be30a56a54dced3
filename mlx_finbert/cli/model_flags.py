"""The flags by which commands name a fine-tuned model."""

from dataclasses import dataclass

from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.load import load_trained
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.models import Classifier
from mlx_finbert.settings import require, require_given, required, setting


@dataclass(kw_only=True)
class TrainedModelSettings:
    """Which fine-tuned model."""

    model: str = required("a fine-tuned folder or hub id", "name a fine-tuned folder or a hub id")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs in their order, where the checkpoint has none"
    )

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))

    def load_model(self) -> tuple[Classifier, Tokenizer]:
        """The model and its tokenizer; a checkpoint without a trained head is refused."""
        return load_trained(self.model, self.model_labels, self.revision)

    def load_with_run(self) -> tuple[Classifier, Tokenizer, TrainingRun]:
        """As `load_model`, and the model's training run, both from one state of its folder."""
        return read_whole(
            resolve(self.model, self.revision),
            lambda: (*self.load_model(), TrainingRun.of(self.model, self.revision)),
        )


@dataclass(kw_only=True)
class ModelSettings(TrainedModelSettings):
    """Which fine-tuned model, and how it is run."""

    batch_size: int = setting(32, "rows computed together")
    max_length: int | None = setting(None, "cut rows to so many tokens (default: the model's most)")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
