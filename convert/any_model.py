"""Opens a model of any format by name: a checkpoint, adapters, a package or an asset."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import mlx.core as mx

from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.load import load_trained
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import is_package
from mlx_finbert.evaluation.evaluate import Checkpoint
from mlx_finbert.evaluation.measurable import Measurable
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.labels import are_generic
from mlx_finbert.models import Classifier
from mlx_finbert.models.config import HeadOptions
from mlx_finbert.models.lora import has_lora
from mlx_finbert.models.parameters import named_parameters, weights_sha256
from mlx_finbert.models.quantization import quantization_of

if TYPE_CHECKING:
    from mlx_finbert.convert.package_classifier import PackageClassifier


def open_models(names: Sequence[str], labels: Sequence[str] | None = None) -> list[Measurable]:
    """Open models to compare.

    Args:
        names: a folder of a checkpoint or of adapters, a hub id, or a package
            (`NAME.mlpackage`) or an asset (`NAME.aimodel`), for each model.
        labels: label names of the heads' outputs, for checkpoints that have none.

    Raises:
        InputError: if a model cannot be opened, or `labels` names nothing.
    """
    checkpoints = {name: open_checkpoint(name) for name in names if not is_package(name)}
    if labels is not None:
        name_labels(list(checkpoints.values()), labels)
    packages = {name: open_package(name) for name in names if is_package(name)}
    for package in packages.values():
        trace_origin(package, list(checkpoints.values()))
    return [packages[name] if name in packages else checkpoints[name] for name in names]


def open_checkpoint(name: str) -> Checkpoint:
    """Open a classifier in MLX with its training run, from one state of its folder."""
    model, tokenizer, run = read_whole(
        resolve(name), lambda: (*load_trained(name), TrainingRun.of(name))
    )
    return Checkpoint(name, model, tokenizer, run)


def open_package(name: str) -> "PackageClassifier":
    """Open a Core ML package or a Core AI asset."""
    # coremltools takes a second to import.
    if Path(name).suffix == ".aimodel":
        from mlx_finbert.convert.asset_classifier import AssetClassifier

        return AssetClassifier.open(name)
    from mlx_finbert.convert.package_classifier import PackageClassifier

    return PackageClassifier.open(name)


def name_labels(checkpoints: Sequence[Checkpoint], labels: Sequence[str]) -> None:
    """Name the labels of the models that have the default names, `LABEL_0`, `LABEL_1`, ..."""
    unnamed = [checkpoint for checkpoint in checkpoints if are_generic(checkpoint.labels)]
    if not unnamed:
        raise InputError("`model_labels` has no effect: every model names its labels; remove it")
    for checkpoint in unnamed:
        args = checkpoint.model.args
        args.id2label = HeadOptions(labels=labels).kept(args.id2label, checkpoint.name)


def trace_origin(package: "PackageClassifier", checkpoints: Sequence[Checkpoint]) -> None:
    """Give a package the training run of the model that it was made from, if that is compared too.

    A package does not record the texts that its model has seen.
    """
    for checkpoint in checkpoints:
        if source_sha256(checkpoint.model) == package.source_sha256:
            package.run = replace(checkpoint.run, model=package.name)


def source_sha256(model: Classifier) -> str | None:
    """The hash of a model's float32 weights, as an export records it; None if it has no export."""
    if has_lora(model) or quantization_of(model):
        return None
    weights = named_parameters(model).items()
    return weights_sha256({name: value.astype(mx.float32) for name, value in weights})
