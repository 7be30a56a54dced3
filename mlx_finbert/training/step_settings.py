"""Flags for a single update: its rows, its loss, the optimizer and what is trained."""

from dataclasses import dataclass
from typing import Literal

from mlx_finbert.data.grouping import RANDOM, Grouping, Way
from mlx_finbert.settings import refuse_without, require, setting
from mlx_finbert.training.loss import Precision


@dataclass(kw_only=True)
class StepSettings:
    """Batches, optimizer and loss."""

    batch_size: int = setting(16, "rows per batch, over all processes together")
    gradient_accumulation_steps: int = setting(1, "batches per update")
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
    label_smoothing: float = setting(0.1, "share of a label's weight spread over all labels")
    class_weights: list[str] | None = setting(
        None, "balanced, sqrt-balanced, or LABEL=WEIGHT,... (labels not listed have weight 1)"
    )
    head_learning_rate: float | None = setting(
        None,
        "peak learning rate of pooler and classifier (default: --learning-rate, but at least"
        " 1e-3 for a fresh classifier)",
    )
    layer_decay: float = setting(1.0, "learning rate of each layer relative to the one above it")
    gradual_unfreezing: bool = setting(
        False, "train only the head first; add one layer after each third of an epoch"
    )
    freeze_embeddings: bool = setting(False, "do not train the embeddings")
    freeze_layers: int = setting(0, "do not train the lowest N layers")

    def check_step(self) -> None:
        """Refuse values out of range."""
        size, accumulation = self.batch_size, self.gradient_accumulation_steps
        at_least_1, at_least_0 = "must be at least 1", "must be at least 0"
        below_1 = "must be from 0 to below 1"
        require(size >= 1, "--batch-size", size, at_least_1)
        require(accumulation >= 1, "--gradient-accumulation-steps", accumulation, at_least_1)
        require(self.group_parts >= 1, "--group-parts", self.group_parts, at_least_1)
        require(self.group_window >= 1, "--group-window", self.group_window, at_least_1)
        in_parts = self.group_by_length == "parts"
        refuse_without(self, ["group_parts"], "--group-by-length parts", in_parts)
        in_windows = self.group_by_length not in RANDOM
        refuse_without(
            self,
            ["group_window"],
            "--group-by-length windows, jittered, dealt or at-first",
            in_windows,
        )
        require(self.weight_decay >= 0, "--weight-decay", self.weight_decay, at_least_0)
        require(0 <= self.adam_beta1 < 1, "--adam-beta1", self.adam_beta1, below_1)
        require(0 <= self.adam_beta2 < 1, "--adam-beta2", self.adam_beta2, below_1)
        require(self.adam_epsilon > 0, "--adam-epsilon", self.adam_epsilon, "must be above 0")
        require(self.max_grad_norm > 0, "--max-grad-norm", self.max_grad_norm, "must be above 0")
        smoothing, head, decay = self.label_smoothing, self.head_learning_rate, self.layer_decay
        require(0 <= smoothing < 1, "--label-smoothing", smoothing, below_1)
        require(head is None or head > 0, "--head-learning-rate", head, "must be above 0")
        require(0 < decay <= 1, "--layer-decay", decay, "must be above 0 and at most 1")
        require(self.freeze_layers >= 0, "--freeze-layers", self.freeze_layers, at_least_0)

    def grouping(self, epochs: int) -> Grouping:
        """How to form the batches of a run with this number of epochs."""
        return Grouping(self.group_by_length, self.group_parts, self.group_window, epochs)
