"""From a program to a package on disk, the same bytes each time."""

import json
import shutil
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlx_finbert.convert.coreml.compress import compression_pass
from mlx_finbert.convert.coreml.graph import SCORES
from mlx_finbert.convert.coreml.mil import Program, ct
from mlx_finbert.convert.coreml.options import ExportOptions

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


def convert(program: Program, options: ExportOptions, labels: list[str]) -> MLModel:
    """coremltools' model of a program, which is used up by it.

    Args:
        program: from `build`.
        options: precision, target and outputs count.
        labels: in the order of the logits.
    """
    classifier = None
    if options.outputs == "classifier":
        # Left to itself, coremltools would show the last output: the logits.
        name = SCORES["classifier"]
        classifier = ct.ClassifierConfig(labels, LABEL, predicted_probabilities_output=name)
    with warnings.catch_warnings():
        # A bound of one of the passes overflows to infinity, which is what it means.
        warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target[options.target],
            compute_precision=getattr(ct.precision, f"FLOAT{options.precision[2:]}"),
            classifier_config=classifier,
            pass_pipeline=_passes(options),
            skip_model_load=True,
        )
    return model


def _passes(options: ExportOptions) -> Any:
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
        descriptor.add_function(str(part), "main", f"length_{length}")
    descriptor.default_function_name = f"length_{max(parts)}"
    raw = next(iter(parts.values())).with_name("merged.mlpackage")
    ct.utils.save_multifunction(descriptor, str(raw))
    write(ct.models.MLModel(str(raw), skip_model_load=True), path, annotate)


def function_name(length: int, options: ExportOptions) -> str:
    """The function of a length: `length_64` in a package of several, else `main`."""
    return f"length_{length}" if options.multifunction else "main"
