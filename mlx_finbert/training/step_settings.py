"""Flags of a single update: which rows, which loss, which weights, how they move."""

from dataclasses import dataclass
from typing import Literal

from mlx_finbert.data.grouping import RANDOM, Grouping, Way
from mlx_finbert.settings import refuse_without, require, setting
from mlx_finbert.training.args import Precision


@dataclass(kw_only=True)
class StepSettings:
    """What one update does."""

    batch_size: int = setting(16, "rows a batch, shared by the processes where they are several")
    gradient_accumulation_steps: int = setting(1, "batches an update")
    group_by_length: Way = setting(
        "packed",
        "how batches are made: of random rows, several short ones in line (packed), in parts of"
        " like length (parts) or each by itself (no), or of rows of like length (the other ways)",
        const="windows",
    )
    group_parts: int = setting(4, "parts of a batch, with --group-by-length parts")
    group_window: int = setting(
        50,
        "rows are sorted by length within windows of so many batches, with --group-by-length"
        " windows, jittered, dealt or at-first",
    )
    gradient_checkpointing: bool = setting(
        False, "compute the layers twice to hold about half as much in memory"
    )
    dtype: Precision = setting("float32", "of the matrix products; the weights stay in float32")
    optimizer: Literal["adamw", "adam"] = setting(
        "adamw", "adamw decays weights beside the gradient, adam as a part of it"
    )
    weight_decay: float = setting(0.01, "decay of weight matrices")
    adam_beta1: float = setting(0.9, "decay rate of the first moment")
    adam_beta2: float = setting(0.999, "decay rate of the second moment")
    adam_epsilon: float = setting(1e-8, "added to the root of the second moment")
    max_grad_norm: float = setting(1.0, "clip the gradients' global norm to this")
    label_smoothing: float = setting(0.1, "share of a label's weight that goes to all labels")
    class_weights: list[str] | None = setting(
        None, "balanced, sqrt-balanced, or LABEL=WEIGHT,... (a label that is not named has 1)"
    )
    head_learning_rate: float | None = setting(
        None,
        "peak for pooler and classifier (default: 1e-3 where the classifier is fresh and"
        " --learning-rate not higher, or else that)",
    )
    layer_decay: float = setting(1.0, "each layer's rate over that of the layer above it")
    gradual_unfreezing: bool = setting(
        False, "start with the head alone; one more layer after each third of an epoch"
    )
    freeze_embeddings: bool = setting(False, "never move the embeddings")
    freeze_layers: int = setting(0, "never move so many of the lowest layers")

    def check_step(self) -> None:
        """Refuse values out of range."""
        size, accumulation = self.batch_size, self.gradient_accumulation_steps
        require(size >= 1, "--batch-size", size, "at least 1")
        require(accumulation >= 1, "--gradient-accumulation-steps", accumulation, "at least 1")
        require(self.group_parts >= 1, "--group-parts", self.group_parts, "at least 1")
        require(self.group_window >= 1, "--group-window", self.group_window, "at least 1")
        in_parts = self.group_by_length == "parts"
        refuse_without(self, ["group_parts"], "--group-by-length parts", in_parts)
        in_windows = self.group_by_length not in RANDOM
        refuse_without(
            self,
            ["group_window"],
            "--group-by-length windows, jittered, dealt or at-first",
            in_windows,
        )
        require(self.weight_decay >= 0, "--weight-decay", self.weight_decay, "at least 0")
        require(0 <= self.adam_beta1 < 1, "--adam-beta1", self.adam_beta1, "from 0 to below 1")
        require(0 <= self.adam_beta2 < 1, "--adam-beta2", self.adam_beta2, "from 0 to below 1")
        require(self.adam_epsilon > 0, "--adam-epsilon", self.adam_epsilon, "must be above 0")
        require(self.max_grad_norm > 0, "--max-grad-norm", self.max_grad_norm, "must be above 0")
        smoothing, head = self.label_smoothing, self.head_learning_rate
        require(0 <= smoothing < 1, "--label-smoothing", smoothing, "from 0 to below 1")
        require(head is None or head > 0, "--head-learning-rate", head, "must be above 0")
        require(0 < self.layer_decay <= 1, "--layer-decay", self.layer_decay, "above 0, at most 1")
        require(self.freeze_layers >= 0, "--freeze-layers", self.freeze_layers, "at least 0")

    def grouping(self, epochs: int) -> Grouping:
        """How the batches of a run of so many epochs are made."""
        return Grouping(self.group_by_length, self.group_parts, self.group_window, epochs)
