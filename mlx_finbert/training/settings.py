"""The flags of `python -m mlx_finbert.train`."""

from dataclasses import dataclass

from mlx_finbert.data.settings import DataSettings, require_split
from mlx_finbert.data.split import TEST_FRACTION, VALIDATION_FRACTION
from mlx_finbert.settings import require, setting


@dataclass(kw_only=True)
class TrainSettings(DataSettings):
    """What to fine-tune, on what, and how."""

    model: str = setting(
        "minilm", "a checkpoint folder, a hub id, or minilm for the packaged encoder"
    )
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    new_head: bool = setting(False, "replace the checkpoint's classifier head by a fresh one")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs in their order, where the checkpoint has none"
    )
    output_dir: str | None = setting(
        None,
        "folder of the fine-tuned model (default: runs/MODEL-DATA, numbered)",
        recorded=False,
    )
    overwrite: bool = setting(
        False, "write into an --output-dir that holds a run already", recorded=False
    )
    epochs: int = setting(5, "passes over the training rows")
    batch_size: int = setting(16, "rows a step")
    learning_rate: float = setting(1e-4, "peak, reached at the end of the warm-up")
    warmup_ratio: float = setting(0.1, "share of the steps in which the learning rate rises")
    weight_decay: float = setting(0.01, "decoupled decay of weight matrices")
    max_grad_norm: float = setting(1.0, "clip the gradients' global norm to this")
    max_length: int | None = setting(None, "cut rows to so many tokens (default: the model's most)")
    eval_every: int = setting(0, "also evaluate each so many steps; 0 for epochs' ends alone")
    seed: int = setting(0, "of the fresh head, the order of the rows and dropout")
    split_seed: int = setting(0, "of the split into training, validation and test rows")
    test_fraction: float = setting(TEST_FRACTION, "share of the rows that become test rows")
    validation_fraction: float = setting(
        VALIDATION_FRACTION, "share of the other rows that become validation rows"
    )

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "--epochs", self.epochs, "at least 1")
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
        require(self.learning_rate > 0, "--learning-rate", self.learning_rate, "must be above 0")
        require(0 <= self.warmup_ratio <= 1, "--warmup-ratio", self.warmup_ratio, "from 0 to 1")
        require(self.weight_decay >= 0, "--weight-decay", self.weight_decay, "at least 0")
        require(self.max_grad_norm > 0, "--max-grad-norm", self.max_grad_norm, "must be above 0")
        require(self.eval_every >= 0, "--eval-every", self.eval_every, "at least 0")
        require(0 <= self.seed < 2**63, "--seed", self.seed, "from 0 to below 2^63")
        require_split(self.split_seed, self.test_fraction, self.validation_fraction)
