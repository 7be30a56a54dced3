"""The settings of `python -m mlx_finbert.train`."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from mlx_finbert.data.flags import DataSettings, SplitSettings
from mlx_finbert.data.grouping import RANDOM, Grouping, Way
from mlx_finbert.data.texts import LabelledTexts, require_trainable
from mlx_finbert.distillation.config import DistillationSettings
from mlx_finbert.models.lora import LoraConfig
from mlx_finbert.settings import refuse_without, require, setting
from mlx_finbert.training.course_settings import CourseSettings
from mlx_finbert.training.dropout_settings import DropoutSettings
from mlx_finbert.training.learning_rates import default_head_rate, default_rate
from mlx_finbert.training.loss import Precision
from mlx_finbert.training.optimizer import Adam
from mlx_finbert.training.trainer import TrainingArgs


@dataclass(kw_only=True)
class FolderSettings:
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
    resume_from_checkpoint: str | None = setting(
        None,
        "resume the run in this folder, or from this checkpoint, with its recorded settings",
        recorded=False,
    )
    report_to: list[str] | None = setting(
        None, "also report to tensorboard, wandb or both; log.jsonl is always written"
    )

    def check_output(self) -> None:
        """Refuse values out of range."""
        epochs, steps, limit = self.save_epochs, self.save_steps, self.save_total_limit
        require(epochs >= 0, "save_epochs", epochs, "must be at least 0")
        require(steps >= 0, "save_steps", steps, "must be at least 0")
        require(limit >= 1, "save_total_limit", limit, "must be at least 1")

    def steps_between_checkpoints(self, steps_per_epoch: int) -> int:
        """Number of updates between two checkpoints; 0 for no checkpoints."""
        return self.save_steps or self.save_epochs * steps_per_epoch


@dataclass(kw_only=True)
class OutputSettings(FolderSettings):
    """Calibration."""

    calibration: bool = setting(
        True, "calibrate the probabilities after training (temperature scaling)"
    )


@dataclass(kw_only=True)
class BaseModelSettings:
    """Model."""

    model: str = setting("minilm", "checkpoint folder, hub id, or minilm for the packaged encoder")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    seed: int = setting(0, "random seed of fresh weights, the row order and dropout")

    def check_start(self) -> None:
        """Refuse values out of range."""
        require(0 <= self.seed < 2**63, "seed", self.seed, "must be from 0 to below 2^63")


@dataclass(kw_only=True)
class StartSettings(BaseModelSettings):
    """Head and length."""

    new_head: bool = setting(False, "replace the checkpoint's classifier head with a fresh one")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs, in order, if the checkpoint has none"
    )
    max_length: int | None = setting(
        None, "truncate texts to N tokens (default: the model's maximum)"
    )


@dataclass(kw_only=True)
class UpdateSettings:
    """Batches and optimizer."""

    batch_size: int = setting(16, "rows per batch, over all processes together")
    gradient_accumulation_steps: int = setting(1, "batches per update")
    gradient_checkpointing: bool = setting(
        False, "compute the layers again in the backward pass, to use about half the memory"
    )
    dtype: Precision = setting(
        "float32", "precision of the matrix products; the weights stay in float32"
    )
    optimizer: Literal["adamw", "adam"] = setting(
        "adamw", "adamw keeps weight decay out of the gradient, adam adds it to the gradient"
    )
    weight_decay: float = setting(0.01, "weight decay of the matrices")
    adam_beta1: float = setting(0.9, "decay rate of the first moment")
    adam_beta2: float = setting(0.999, "decay rate of the second moment")
    adam_epsilon: float = setting(1e-8, "constant added to the root of the second moment")
    max_grad_norm: float = setting(1.0, "clip the global norm of the gradients to this")

    def check_update(self) -> None:
        """Refuse values out of range."""
        size, accumulation = self.batch_size, self.gradient_accumulation_steps
        at_least_1, below_1 = "must be at least 1", "must be from 0 to below 1"
        require(size >= 1, "batch_size", size, at_least_1)
        require(accumulation >= 1, "gradient_accumulation_steps", accumulation, at_least_1)
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "must be at least 0")
        require(0 <= self.adam_beta1 < 1, "adam_beta1", self.adam_beta1, below_1)
        require(0 <= self.adam_beta2 < 1, "adam_beta2", self.adam_beta2, below_1)
        require(self.adam_epsilon > 0, "adam_epsilon", self.adam_epsilon, "must be above 0")
        require(self.max_grad_norm > 0, "max_grad_norm", self.max_grad_norm, "must be above 0")

    def adam(self) -> Adam:
        """The optimizer."""
        return Adam(
            self.weight_decay,
            decoupled=self.optimizer == "adamw",
            betas=(self.adam_beta1, self.adam_beta2),
            eps=self.adam_epsilon,
        )


@dataclass(kw_only=True)
class DepthSettings:
    """Learning rates by depth, and frozen parts."""

    head_learning_rate: float | None = setting(
        None,
        "peak learning rate of pooler and classifier (default: --learning-rate, but at least"
        " 1e-3 for a fresh classifier)",
    )
    layer_decay: float = setting(1.0, "learning rate of each layer relative to the one above it")
    freeze_embeddings: bool = setting(False, "do not train the embeddings")
    freeze_layers: int = setting(0, "do not train the lowest N layers")

    def check_depth(self) -> None:
        """Refuse values out of range."""
        head, decay = self.head_learning_rate, self.layer_decay
        require(head is None or head > 0, "head_learning_rate", head, "must be above 0")
        require(0 < decay <= 1, "layer_decay", decay, "must be above 0 and at most 1")
        require(self.freeze_layers >= 0, "freeze_layers", self.freeze_layers, "must be at least 0")


@dataclass(kw_only=True)
class FittingSettings(DepthSettings, UpdateSettings, CourseSettings):
    """What the training loop and its optimizer need."""

    def check_fitting(self) -> None:
        """Refuse values out of range."""
        self.check_course()
        self.check_update()
        self.check_depth()

    def training_args(self, steps_per_epoch: int, save_steps: int) -> TrainingArgs:
        """The arguments of the loop.

        Args:
            steps_per_epoch: updates of an epoch.
            save_steps: updates between two checkpoints; 0 for no checkpoints.
        """
        return TrainingArgs(
            total_steps=self.total_steps(steps_per_epoch),
            learning_rate=self.peak_rate,
            schedule=self.lr_schedule(steps_per_epoch),
            eval_steps=self.eval_steps,
            save_steps=save_steps,
            best_metric=self.metric_for_best_model,
            plateau=self.plateau(),
            stopping=self.early_stopping(),
        )


@dataclass(kw_only=True)
class StepSettings(FittingSettings):
    """Rows of a batch, unfreezing and loss."""

    group_by_length: Way = setting(
        "packed",
        "how to form batches: random rows, several short ones on a line (packed), in parts of"
        " similar length (parts) or padded (no); or rows of similar length (the other values)."
        " Without a value: windows",
        const="windows",
    )
    group_parts: int = setting(4, "parts per batch, with --group-by-length parts")
    group_window: int = setting(
        50,
        "sort rows by length within windows of N batches, with --group-by-length windows,"
        " jittered, dealt or at-first",
    )
    gradual_unfreezing: bool = setting(
        False, "train only the head first; add one layer after each third of an epoch"
    )
    label_smoothing_factor: float = setting(0.1, "share of a label's weight spread over all labels")
    class_weights: list[str] | None = setting(
        None, "balanced, sqrt-balanced, or LABEL=WEIGHT,... (labels not listed have weight 1)"
    )

    def check_step(self) -> None:
        """Refuse values out of range."""
        self.check_fitting()
        at_least_1, smoothing = "must be at least 1", self.label_smoothing_factor
        require(self.group_parts >= 1, "group_parts", self.group_parts, at_least_1)
        require(self.group_window >= 1, "group_window", self.group_window, at_least_1)
        in_parts = self.group_by_length == "parts"
        refuse_without(self, ["group_parts"], "`group_by_length=parts`", in_parts)
        in_windows = self.group_by_length not in RANDOM
        refuse_without(
            self,
            ["group_window"],
            "`group_by_length=windows`, jittered, dealt or at-first",
            in_windows,
        )
        require(
            0 <= smoothing < 1, "label_smoothing_factor", smoothing, "must be from 0 to below 1"
        )

    def grouping(self, epochs: int) -> Grouping:
        """How to form the batches of a run with this number of epochs."""
        return Grouping(self.group_by_length, self.group_parts, self.group_window, epochs)


@dataclass(kw_only=True)
class LoraSettings:
    """LoRA adapters."""

    lora_rank: int | None = setting(
        None, "train and save only the head and LoRA adapters of this rank"
    )
    lora_alpha: float = setting(32.0, "scale the adapters' output by alpha / rank")
    lora_dropout: float = setting(0.0, "dropout rate of the adapters' input")
    lora_layers: int | None = setting(None, "adapt only the last N layers (default: all)")
    dora: bool = setting(False, "use DoRA: also train the length of each row of a matrix")

    def check_lora(self) -> None:
        """Refuse values out of range and settings that would have no effect."""
        others = [f.name for f in fields(LoraSettings) if f.name != "lora_rank"]
        refuse_without(self, others, "`lora_rank`", self.lora_rank is not None)
        self.lora()

    def lora(self) -> LoraConfig | None:
        """The adapters' configuration; None if the whole model is trained."""
        if self.lora_rank is None:
            return None
        return LoraConfig(
            rank=self.lora_rank,
            alpha=self.lora_alpha,
            dropout=self.lora_dropout,
            layers=self.lora_layers,
            dora=self.dora,
        )


@dataclass(kw_only=True)
class TrainSettings(
    OutputSettings,
    DistillationSettings,
    LoraSettings,
    DropoutSettings,
    StepSettings,
    SplitSettings,
    DataSettings,
    StartSettings,
):
    """All settings of a training run."""

    def __post_init__(self) -> None:
        self.check_start()
        self.check_split()
        self.check_step()
        self.check_dropout()
        self.check_lora()
        self.check_distillation()
        self.check_output()

    def for_model(self, width: int, is_fresh: bool) -> "TrainSettings":
        """The same settings, with default learning rates for a model.

        Args:
            width: hidden size of the model.
            is_fresh: whether the model's head has random weights.
        """
        rate, head = self.learning_rate, self.head_learning_rate
        if rate is None:
            rate = default_rate(width, has_adapters=self.lora_rank is not None)
        if head is None and is_fresh:
            head = default_head_rate(rate)
        return replace(self, learning_rate=rate, head_learning_rate=head)

    def defaults_for(self, width: int, is_fresh: bool) -> dict[str, Any]:
        """The defaults of all settings; those of the learning rates are chosen by `for_model`."""
        defaults = {field.name: field.default for field in fields(self)}
        rate = replace(self, learning_rate=None).for_model(width, is_fresh).learning_rate
        head = replace(self, head_learning_rate=None).for_model(width, is_fresh).head_learning_rate
        return defaults | {"learning_rate": rate, "head_learning_rate": head}

    def load_texts(self) -> LabelledTexts:
        """Load the texts and check that a classifier can be trained on them."""
        data = super().load_texts()
        require_trainable(data)
        return data
