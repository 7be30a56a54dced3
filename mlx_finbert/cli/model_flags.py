"""The flags that choose a fine-tuned model."""

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
    """Fine-tuned model."""

    model: str = required(
        "folder or hub id of a fine-tuned model", "name a folder or a hub id of a fine-tuned model"
    )
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    model_labels: list[str] | None = setting(
        None, "label names of the head's outputs, in order, if the checkpoint has none"
    )

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))

    def load_model(self) -> tuple[Classifier, Tokenizer]:
        """Load the model and its tokenizer; refuse a checkpoint without a trained head."""
        return load_trained(self.model, self.model_labels, self.revision)

    def load_with_run(self) -> tuple[Classifier, Tokenizer, TrainingRun]:
        """Load the model, its tokenizer and its training run from one state of the folder."""
        return read_whole(
            resolve(self.model, self.revision),
            lambda: (*self.load_model(), TrainingRun.of(self.model, self.revision)),
        )


@dataclass(kw_only=True)
class ModelSettings(TrainedModelSettings):
    """Batch size and length."""

    batch_size: int = setting(32, "rows per batch")
    max_length: int | None = setting(
        None, "truncate rows to N tokens (default: the model's maximum)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
