"""The flags of `python -m mlx_finbert.train`."""

from dataclasses import dataclass, replace

from mlx_finbert.data.flags import DataSettings, SplitSettings
from mlx_finbert.data.texts import LabelledTexts, require_trainable
from mlx_finbert.settings import require, setting
from mlx_finbert.training.course_settings import CourseSettings
from mlx_finbert.training.lora_settings import LoraSettings
from mlx_finbert.training.step_settings import StepSettings

FRESH_HEAD_RATE = 1e-3
"""The classifier's in Yang, Uy and Huang's FinBERT (2020, archive/bertModel.py of their code)."""


@dataclass(kw_only=True)
class OutputSettings:
    """Where a run goes, what it keeps, and whom it tells."""

    output_dir: str | None = setting(
        None,
        "folder of the fine-tuned model (default: runs/MODEL-DATA, numbered)",
        recorded=False,
    )
    overwrite: bool = setting(
        False, "write into an --output-dir that holds a run already", recorded=False
    )
    save_epochs: int = setting(1, "write a checkpoint each so many epochs; 0 for none")
    save_steps: int = setting(0, "write one each so many steps, in the place of --save-epochs")
    save_total_limit: int = setting(
        2, "keep the last N checkpoints, and that of the best evaluation"
    )
    resume: str | None = setting(
        None,
        "go on where a run's folder, or one of its checkpoints, left off; its settings count",
        recorded=False,
    )
    report_to: list[str] | None = setting(
        None, "tensorboard, wandb or both; a log is always written"
    )
    calibration: bool = setting(True, "fit the temperature of the probabilities after training")

    def check_output(self) -> None:
        """Refuse values out of range."""
        require(self.save_epochs >= 0, "--save-epochs", self.save_epochs, "at least 0")
        require(self.save_steps >= 0, "--save-steps", self.save_steps, "at least 0")
        require(
            self.save_total_limit >= 1, "--save-total-limit", self.save_total_limit, "at least 1"
        )

    def steps_between_checkpoints(self, steps_per_epoch: int) -> int:
        """Updates between two checkpoints; 0 for none."""
        return self.save_steps or self.save_epochs * steps_per_epoch


@dataclass(kw_only=True)
class StartSettings:
    """What a run starts from."""

    model: str = setting(
        "minilm", "a checkpoint folder, a hub id, or minilm for the packaged encoder"
    )
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    new_head: bool = setting(False, "replace the checkpoint's classifier head by a fresh one")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs in their order, where the checkpoint has none"
    )
    max_length: int | None = setting(None, "cut rows to so many tokens (default: the model's most)")
    seed: int = setting(0, "of the fresh head, the order of the rows and dropout")

    def check_start(self) -> None:
        """Refuse values out of range."""
        require(0 <= self.seed < 2**63, "--seed", self.seed, "from 0 to below 2^63")


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
    """What to fine-tune, on what, and how."""

    def __post_init__(self) -> None:
        self.check_start()
        self.check_split()
        self.check_course()
        self.check_step()
        self.check_lora()
        self.check_output()

    def for_head(self, is_fresh: bool) -> "TrainSettings":
        """The same with the learning rate of a fresh head, where none was given.

        Args:
            is_fresh: whether the head was drawn at random, as the encoder was not.
        """
        if self.head_learning_rate is not None or not is_fresh:
            return self
        return replace(self, head_learning_rate=max(FRESH_HEAD_RATE, self.learning_rate))

    def load_texts(self) -> LabelledTexts:
        """The texts that the flags name, from which a classifier can learn."""
        data = super().load_texts()
        require_trainable(data)
        return data
