"""From a program to a package on disk, the same bytes each time."""

import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.compress import compression_pass
from mlx_finbert.convert.coreml.graph import SOFTMAX_NAMES
from mlx_finbert.convert.coreml.mil import Program, ct, quiet
from mlx_finbert.convert.coreml.options import CompleteOptions

LABEL = "label"
"""The classifier's output that is the most probable label."""
PROBABILITIES = "probabilities"

MANIFEST_ITEMS = {
    "com.apple.CoreML/model.mlmodel": ("model.mlmodel", "CoreML Model Specification"),
    "com.apple.CoreML/weights": ("weights", "CoreML Model Weights"),
}
CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"

MLModel = Any
"""coremltools' `MLModel`."""


def convert(program: Program, options: CompleteOptions, labels: list[str]) -> MLModel:
    """coremltools' model of a program, which is used up by it.

    Args:
        program: from `build`.
        options: precision, target, outputs, shapes and, where these are enumerated, lengths count.
        labels: in the order of the logits.
    """
    classifier = None
    if options.outputs == "classifier":
        # Left to itself, coremltools would show the last output: the logits.
        name = SOFTMAX_NAMES["classifier"]
        classifier = ct.ClassifierConfig(labels, LABEL, predicted_probabilities_output=name)
    precision = {"fp16": ct.precision.FLOAT16, "fp32": ct.precision.FLOAT32}[options.precision]
    with quiet():
        return ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target[options.target],
            compute_precision=precision,
            classifier_config=classifier,
            pass_pipeline=_passes(options),
            inputs=_enumerated(options) if options.shapes == "enumerated" else None,
            skip_model_load=True,
        )


def _enumerated(options: CompleteOptions) -> list[Any]:
    """The input with a shape for each length.

    The longest is the default, as among functions: it holds every text that the package holds.
    """
    shapes = [[options.batch, length] for length in options.lengths]
    shape = ct.EnumeratedShapes(shapes, default=[options.batch, max(options.lengths)])
    return [ct.TensorType("input_ids", shape, dtype=np.int32)]


def _passes(options: CompleteOptions) -> Any:
    """coremltools' own, and the compression."""
    passes = ct.PassPipeline()
    # Tokenizers make no negative ids; coremltools would guard against them from iOS17 on.
    passes.remove_passes({"common::guard_negative_gather_indices"})
    if options.compress:
        # As a pass of the one conversion: coremltools' functions for a finished model fail on a
        # classifier with a second output.
        name, config = compression_pass(options.compress)
        passes.append_pass(name)
        passes.set_options(name, {"config": config})
    return passes


def write(model: MLModel, path: Path, annotate: Callable[[Any], None]) -> None:
    """A package folder at `path`: the same model gives the same bytes.

    coremltools' own `save` draws random identifiers, and puts the day into the metadata.

    Args:
        model: from `convert`, compressed or not.
        path: not there yet.
        annotate: writes the metadata into the specification.
    """
    spec = model.get_spec()
    if spec.description.predictedProbabilitiesName == f"{LABEL}_probs":
        ct.utils.rename_feature(spec, f"{LABEL}_probs", PROBABILITIES)
        spec.description.predictedProbabilitiesName = PROBABILITIES
    spec.description.metadata.userDefined.pop(CONVERSION_DATE, None)
    annotate(spec)
    folder = path / "Data" / "com.apple.CoreML"
    (folder / "weights").mkdir(parents=True)
    (folder / "model.mlmodel").write_bytes(spec.SerializeToString(deterministic=True))
    shutil.copyfile(Path(model.weights_dir) / "weight.bin", folder / "weights" / "weight.bin")
    write_manifest(path)
    # coremltools would keep its temporary copy until the process ends.
    shutil.rmtree(model.package_path, ignore_errors=True)


def write_manifest(path: Path) -> None:
    """`Manifest.json`, its identifiers made from the names that they identify."""
    entries = {
        str(uuid.uuid5(uuid.NAMESPACE_URL, item)): {
            "author": "com.apple.CoreML",
            "description": description,
            "name": name,
            "path": item,
        }
        for item, (name, description) in MANIFEST_ITEMS.items()
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": next(iter(entries)),
    }
    text = json.dumps(manifest, indent=4, sort_keys=True) + "\n"
    (path / "Manifest.json").write_text(text, encoding="utf-8")


def merge(parts: Mapping[int, Path], path: Path, annotate: Callable[[Any], None]) -> None:
    """One package of several, each a function of it; equal weights are stored once.

    The metadata is written anew: coremltools drops that of the parts.
    """
    descriptor = ct.utils.MultiFunctionDescriptor()
    for length, part in parts.items():
        descriptor.add_function(str(part), "main", function_name(length))
    descriptor.default_function_name = function_name(max(parts))
    raw = next(iter(parts.values())).with_name("merged.mlpackage")
    with quiet():
        ct.utils.save_multifunction(descriptor, str(raw))
        merged = ct.models.MLModel(str(raw), skip_model_load=True)
    write(merged, path, annotate)


def function_name(length: int) -> str:
    """Of a length in a package of several."""
    return f"length_{length}"
