"""The flags of the commands in this folder."""

from dataclasses import dataclass
from typing import Any, Literal

from mlx_finbert.checkpoints.training_run import with_own_data
from mlx_finbert.cli.model_flags import TrainedModelSettings
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.data.flags import INCLUDE_SEEN, ColumnSettings
from mlx_finbert.settings import require, require_given, required, setting


@dataclass(kw_only=True)
class ToMlxSettings:
    """Which checkpoint becomes which folder."""

    model: str = required("a checkpoint folder or hub id", "name a checkpoint folder or a hub id")
    output: str = required("folder to write", "name the folder to write", metavar="DIR")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    dtype: Literal["float32", "float16", "bfloat16"] | None = setting(
        None, "of the weights (default: as in the checkpoint)"
    )
    num_labels: int | None = setting(None, "size of the head, for a checkpoint that has none")
    labels: list[str] | None = setting(None, "names of the head's outputs, in their order")
    new_head: bool = setting(False, "replace the checkpoint's classifier head by a fresh one")
    overwrite: bool = setting(False, "write into an --output that holds a model already")
    quantize: int | None = setting(
        None, "8 or 4: bits of the encoder's weights; transformers cannot open such a folder"
    )
    group_size: int | None = setting(
        None, "32, 64 or 128 numbers share a scale, for --quantize (default: 64)"
    )
    verify: bool = setting(False, "compare logits with transformers (needs PyTorch)")

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))


@dataclass(kw_only=True)
class FuseSettings:
    """Which adapters become which folder."""

    model: str = required(
        "a folder of adapters, left by train --lora-rank", "name a folder of adapters"
    )
    output: str = required("folder to write", "name the folder to write", metavar="DIR")
    base_model: str | None = setting(
        None, "where the base model is now (default: where the adapters say)"
    )
    overwrite: bool = setting(False, "write into an --output that holds a model already")

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))


@dataclass(kw_only=True)
class ToCoremlSettings(ColumnSettings, ExportOptions, TrainedModelSettings):
    """Which model becomes which packages."""

    output: str = required(
        "NAME.mlpackage to write", "name the package to write, NAME.mlpackage", metavar="PATH"
    )
    validate: str | None = setting(
        None,
        "measure the accuracy on this data, named as for train's --data, or on the test rows of the"
        " model's own where none is named",
        const="",
    )
    validate_rows: int = setting(300, "rows of --validate that are run, a sample by hash")
    include_seen: bool = setting(False, INCLUDE_SEEN)

    def __post_init__(self) -> None:
        TrainedModelSettings.__post_init__(self)
        ExportOptions.__post_init__(self)
        require(self.validate_rows >= 1, "--validate-rows", self.validate_rows, "at least 1")


def complete(given: dict[str, Any]) -> ToCoremlSettings:
    """Settings from what was given; those of the model's run say how to read its own data.

    Raises:
        InputError: for values out of range, or a `--validate` that is given no data by anything.
    """
    if given.get("validate") is not None:
        given = with_own_data(given, ToCoremlSettings, "validate")
    return ToCoremlSettings(**given)


@dataclass(kw_only=True)
class VerifySettings(TrainedModelSettings):
    """Which package is held against which model."""

    package: str = required(
        "the .mlpackage to verify", "name the .mlpackage to verify", metavar="PATH"
    )
