"""The settings of the conversion commands."""

from dataclasses import dataclass
from typing import Any, Literal

from mlx_finbert.checkpoints.training_run import with_own_data
from mlx_finbert.cli.model_flags import TrainedModelSettings
from mlx_finbert.convert.coreai.options import AssetOptions
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.data.flags import INCLUDE_SEEN, ColumnSettings
from mlx_finbert.settings import require, require_given, required, setting


@dataclass(kw_only=True)
class ToMlxSettings:
    """Checkpoint, output and format."""

    model: str = required("checkpoint folder or hub id", "give a checkpoint folder or a hub id")
    output: str = required("folder to write", "give the folder to write", metavar="DIR")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    dtype: Literal["float32", "float16", "bfloat16"] | None = setting(
        None, "dtype of the weights (default: as in the checkpoint)"
    )
    num_labels: int | None = setting(None, "size of the head, for a checkpoint without one")
    labels: list[str] | None = setting(None, "names of the head's outputs, in order")
    new_head: bool = setting(False, "replace the checkpoint's classifier head with a new one")
    overwrite: bool = setting(False, "write to an --output that already holds a model")
    quantize: int | None = setting(
        None, "bits of the encoder's weights, 8 or 4; transformers cannot open the result"
    )
    group_size: int | None = setting(
        None, "with --quantize, weights that share a scale: 32, 64 or 128 (default: 64)"
    )
    verify: bool = setting(False, "compare logits with transformers (needs PyTorch)")

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))


@dataclass(kw_only=True)
class FuseSettings:
    """Adapters and output."""

    model: str = required(
        "folder of adapters, written by train --lora-rank", "give a folder of adapters"
    )
    output: str = required("folder to write", "give the folder to write", metavar="DIR")
    base_model: str | None = setting(
        None, "base model's folder or hub id (default: as recorded with the adapters)"
    )
    overwrite: bool = setting(False, "write to an --output that already holds a model")

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))


@dataclass(kw_only=True)
class ShrinkSettings:
    """Layers and output."""

    model: str = required("checkpoint folder or hub id", "give a checkpoint folder or a hub id")
    output: str = required("folder to write", "give the folder to write", metavar="DIR")
    layers: list[int] | None = setting(
        None, "numbers of the layers to keep, ascending from 0 (default: every second one)"
    )
    to_distilbert: bool = setting(
        False, "write a BERT as a DistilBERT, which has one segment, no pooler and a new head"
    )
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    overwrite: bool = setting(False, "write to an --output that already holds a model")

    def __post_init__(self) -> None:
        require_given(type(self), vars(self))


def swift_package_folder() -> Any:
    """The setting for the Swift package of an export."""
    return setting(
        None,
        "also write a Swift package with the models, a classifier for them and a sample app to this"
        " folder, to drag into Xcode",
        metavar="DIR",
    )


@dataclass(kw_only=True)
class ToCoremlSettings(ColumnSettings, ExportOptions, TrainedModelSettings):
    """Output and validation."""

    output: str = required(
        "NAME.mlpackage to write", "give the package to write, NAME.mlpackage", metavar="PATH"
    )
    swift_package: str | None = swift_package_folder()
    validate: str | None = setting(
        None,
        "measure the accuracy on this data, given as for train's --data; without a value, on the"
        " test rows of the model's training data",
        const="",
    )
    validate_rows: int = setting(300, "run at most N rows of --validate, a sample by hash")
    include_seen: bool = setting(False, INCLUDE_SEEN)

    def __post_init__(self) -> None:
        TrainedModelSettings.__post_init__(self)
        ExportOptions.__post_init__(self)
        require(self.validate_rows >= 1, "validate_rows", self.validate_rows, "at least 1")


def complete(given: dict[str, Any]) -> ToCoremlSettings:
    """Make settings from the given values; the model's run says how to read its own data.

    Raises:
        InputError: for values out of range, or if neither `validate` nor the run name any data.
    """
    if given.get("validate") is not None:
        given = with_own_data(given, ToCoremlSettings, "validate")
    return ToCoremlSettings(**given)


@dataclass(kw_only=True)
class ToCoreaiSettings(AssetOptions, TrainedModelSettings):
    """Output."""

    output: str = required(
        "NAME.aimodel to write", "give the asset to write, NAME.aimodel", metavar="PATH"
    )
    swift_package: str | None = swift_package_folder()

    def __post_init__(self) -> None:
        TrainedModelSettings.__post_init__(self)
        AssetOptions.__post_init__(self)


@dataclass(kw_only=True)
class VerifySettings(TrainedModelSettings):
    """Package to verify."""

    package: str = required(
        "the .mlpackage or .aimodel to verify",
        "give the .mlpackage or .aimodel to verify",
        metavar="PATH",
    )
