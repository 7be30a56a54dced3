"""The flags of `python -m mlx_finbert.train`."""

from dataclasses import dataclass, replace

from mlx_finbert.data.flags import DataSettings, SplitSettings
from mlx_finbert.data.texts import LabelledTexts, require_trainable
from mlx_finbert.settings import require, setting
from mlx_finbert.training.course_settings import CourseSettings
from mlx_finbert.training.lora_settings import LoraSettings
from mlx_finbert.training.step_settings import StepSettings

FRESH_HEAD_RATE = 1e-3
"""Learning rate of a fresh classifier, from Yang, Uy and Huang's FinBERT (2020,
archive/bertModel.py of their code)."""


@dataclass(kw_only=True)
class OutputSettings:
    """Output and checkpoints."""

    output_dir: str | None = setting(
        None,
        "folder for the fine-tuned model (default: runs/MODEL-DATA, numbered)",
        recorded=False,
    )
    overwrite: bool = setting(
        False, "write to --output-dir even if it already holds a run", recorded=False
    )
    save_epochs: int = setting(1, "save a checkpoint every N epochs; 0 disables")
    save_steps: int = setting(0, "save a checkpoint every N steps instead; 0 uses --save-epochs")
    save_total_limit: int = setting(
        2, "keep the last N checkpoints and the one of the best evaluation"
    )
    resume: str | None = setting(
        None,
        "resume the run in this folder, or from this checkpoint, with its recorded settings",
        recorded=False,
    )
    report_to: list[str] | None = setting(
        None, "also report to tensorboard, wandb or both; log.jsonl is always written"
    )
    calibration: bool = setting(
        True, "calibrate the probabilities after training (temperature scaling)"
    )

    def check_output(self) -> None:
        """Refuse values out of range."""
        epochs, steps, limit = self.save_epochs, self.save_steps, self.save_total_limit
        require(epochs >= 0, "--save-epochs", epochs, "must be at least 0")
        require(steps >= 0, "--save-steps", steps, "must be at least 0")
        require(limit >= 1, "--save-total-limit", limit, "must be at least 1")

    def steps_between_checkpoints(self, steps_per_epoch: int) -> int:
        """Number of updates between two checkpoints; 0 for no checkpoints."""
        return self.save_steps or self.save_epochs * steps_per_epoch


@dataclass(kw_only=True)
class StartSettings:
    """Model and seed."""

    model: str = setting("minilm", "checkpoint folder, hub id, or minilm for the packaged encoder")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    new_head: bool = setting(False, "replace the checkpoint's classifier head with a fresh one")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs, in order, if the checkpoint has none"
    )
    max_length: int | None = setting(
        None, "truncate texts to N tokens (default: the model's maximum)"
    )
    seed: int = setting(0, "random seed of the fresh head, the row order and dropout")

    def check_start(self) -> None:
        """Refuse values out of range."""
        require(0 <= self.seed < 2**63, "--seed", self.seed, "must be from 0 to below 2^63")


@dataclass(kw_only=True)
class TrainSettings(
    OutputSettings,
    LoraSettings,
    StepSettings,
    CourseSettings,
    SplitSettings,
    DataSettings,
    StartSettings,
):
    """All settings of a training run."""

    def __post_init__(self) -> None:
        self.check_start()
        self.check_split()
        self.check_course()
        self.check_step()
        self.check_lora()
        self.check_output()

    def for_head(self, is_fresh: bool) -> "TrainSettings":
        """The same settings, with a default learning rate for a fresh head.

        Args:
            is_fresh: whether the head has random weights.
        """
        if self.head_learning_rate is not None or not is_fresh:
            return self
        return replace(self, head_learning_rate=max(FRESH_HEAD_RATE, self.learning_rate))

    def load_texts(self) -> LabelledTexts:
        """Load the texts and check that a classifier can be trained on them."""
        data = super().load_texts()
        require_trainable(data)
        return data
