"""Converts a program to a package on disk, with the same bytes each time; compresses weights."""

import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.conventions import LEAST_SIZE, SPARED, function_name
from mlx_finbert.convert.coreml.graph import SOFTMAX_NAMES
from mlx_finbert.convert.coreml.mil import Program, ct, cto, quiet
from mlx_finbert.convert.coreml.options import CompleteOptions

LABEL = "label"
"""The classifier's output with the most probable label."""
PROBABILITIES = "probabilities"

MANIFEST_ITEMS = {
    "com.apple.CoreML/model.mlmodel": ("model.mlmodel", "CoreML Model Specification"),
    "com.apple.CoreML/weights": ("weights", "CoreML Model Weights"),
}
CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"

MLModel = Any
"""coremltools' `MLModel`."""


def convert(program: Program, options: CompleteOptions, labels: list[str]) -> MLModel:
    """Convert a program to coremltools' model; this modifies the program.

    Args:
        program: from `build`.
        options: precision, target, outputs, shapes and, if enumerated, lengths are used.
        labels: labels in the order of the logits.
    """
    classifier = None
    if options.outputs == "classifier":
        # By default, coremltools would use the last output, the logits.
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

    The longest is the default, as with functions: every text fits it.
    """
    shapes = [[options.batch, length] for length in options.lengths]
    shape = ct.EnumeratedShapes(shapes, default=[options.batch, max(options.lengths)])
    return [ct.TensorType("input_ids", shape, dtype=np.int32)]


def _passes(options: CompleteOptions) -> Any:
    """The pass pipeline: coremltools' default passes and the compression."""
    passes = ct.PassPipeline()
    # Token ids are never negative; from iOS17 on, coremltools would guard against that.
    passes.remove_passes({"common::guard_negative_gather_indices"})
    if options.compress:
        # Compression is a pass of the conversion because coremltools' functions for a finished
        # model fail on a classifier with a second output.
        name, config = compression_pass(options.compress)
        passes.append_pass(name)
        passes.set_options(name, {"config": config})
    return passes


def write(model: MLModel, path: Path, annotate: Callable[[Any], None]) -> None:
    """Write a package folder at `path`; the same model gives the same bytes.

    coremltools' own `save` uses random identifiers and writes the date into the metadata.

    Args:
        model: from `convert`, compressed or not.
        path: must not exist yet.
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
    """Write `Manifest.json` with identifiers that are derived from the items' names."""
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
    """Merge packages into one with a function for each; equal weights are stored once.

    The metadata is written again, since coremltools drops that of the parts.
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


def compression_pass(method: str) -> tuple[str, Any]:
    """Return the name of coremltools' pass and its configuration.

    Args:
        method: `int8`, a scale for each row of a matrix, or `palette6` or `palette4`, 64 or 16
            values for a whole matrix, found by k-means.
    """
    # The pass compresses matrices larger than the threshold.
    threshold = LEAST_SIZE[method] - 1
    if method == "int8":
        name = "compression::linear_quantize_weights"
        each = cto.OpLinearQuantizerConfig(
            mode="linear_symmetric", granularity="per_channel", weight_threshold=threshold
        )
    else:
        name = "compression::palettize_weights"
        bits = int(method[-1])
        each = cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=threshold)
    return name, cto.OptimizationConfig(each, op_name_configs=dict.fromkeys(SPARED))


def is_compressed(name: str, value: np.ndarray, method: str | None) -> bool:
    """Whether the export compresses a constant of the graph."""
    if method is None or name in SPARED:
        return False
    return value.ndim >= 2 and value.size >= LEAST_SIZE[method]
