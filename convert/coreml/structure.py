"""Checks the structure of a saved package, regardless of what it computes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.graph import INPUTS, SOFTMAX_NAMES
from mlx_finbert.convert.coreml.metadata import PREFIX, PROVENANCE, Description
from mlx_finbert.convert.coreml.operations import CONSTANTS
from mlx_finbert.convert.coreml.options import NUMPY_DTYPES, CompleteOptions
from mlx_finbert.convert.coreml.package import LABEL, PROBABILITIES, function_name
from mlx_finbert.convert.coreml.saved import Function, Operation, SavedPackage
from mlx_finbert.convert.coreml.vocabulary import BYTE_PAIR_FILES
from mlx_finbert.errors import shown

SPECIFICATION_VERSIONS = {"iOS16": 7, "iOS17": 8, "iOS18": 9, "iOS26": 10}
"""Versions of Core ML's format, by the system that introduced them (`AvailableTarget`)."""

OPSETS = {"iOS16": "CoreML6", "iOS17": "CoreML7", "iOS18": "CoreML8", "iOS26": "CoreML9"}
"""Operation sets of functions, by target."""

EVERYWHERE = {
    "add", "cast", "cumsum", "gather", "gelu", "layer_norm", "mul", "not_equal", "relu", "reshape",
    "silu", "slice_by_size", "softmax", "sub", "tanh", "transpose",
}  # fmt: skip
OWN = {"plain": {"linear", "matmul"}, "ane": {"concat", "conv", "einsum", "expand_dims", "split"}}
"""Kinds of operations that only one layout has."""


def package_faults(package: SavedPackage, description: Description) -> Iterator[str]:
    """Find faults of a package as a whole."""
    options, spec = description.options, package.spec
    version = SPECIFICATION_VERSIONS[options.target]
    if spec.specificationVersion != version:
        yield (
            f"the specification version is {spec.specificationVersion}, not {version}"
            f" as for {options.target}"
        )
    if spec.isUpdatable:
        yield "it is marked as updatable"
    yield from _interface_faults(package, description)
    yield from metadata_faults(package.metadata, description)
    yield from side_file_faults(package.path.parent, description)


def metadata_faults(metadata: Mapping[str, str], description: Description) -> Iterator[str]:
    """Find user-defined metadata that are not the model's."""
    expected = description.user_defined()
    for key in sorted(expected.keys() | {k for k in metadata if k.startswith(PREFIX)}):
        # Another version of mlx-finbert, or another name of the source, is not a fault.
        if key not in PROVENANCE and metadata.get(key) != expected.get(key):
            yield f"the metadata {key} is not the model's: {str(metadata.get(key))[:60]!r}"


def _interface_faults(package: SavedPackage, description: Description) -> Iterator[str]:
    """Find faults of the description, from which Core ML and Xcode take inputs and outputs."""
    several = description.options.multifunction
    names = {function_name(n) for n in description.lengths} if several else {"main"}
    if set(package.functions) != names:
        yield f"its functions are {shown(sorted(package.functions))}, not {sorted(names)}"
        return
    told = package.spec.description
    if several:
        parts = {part.name: part for part in told.functions}
        right = sorted(part.name for part in told.functions) == sorted(names) and not told.input
        right &= told.defaultFunctionName == function_name(max(description.lengths))
    else:
        parts, right = {"main": told}, not told.functions and not told.defaultFunctionName
    if not right or told.state:
        yield f"the functions in the description are not {sorted(names)}, or it has a state"
        return
    classifier = description.options.outputs == "classifier"
    for name, function in package.functions.items():
        part = parts[name]
        predicted = part.predictedFeatureName, part.predictedProbabilitiesName
        if predicted != ((LABEL, PROBABILITIES) if classifier else ("", "")):
            yield f"the description of {name} has the predicted outputs {shown(predicted)}"
        found, wanted = described(part), interface(function, description.lengths)
        if found != wanted:
            yield f"the description of {name} is {shown(found)}, but the program has {wanted}"
        opset = OPSETS[description.options.target]
        if function.opset != opset:
            yield f"the function {name} uses {shown(function.opset)}, not {opset}"


def described(part: Any) -> list[str]:
    """Name, type and shape of each input and output in a description, in order."""
    found = []
    for feature in (*part.input, *part.output):
        kind = feature.type.WhichOneof("Type")
        if kind == "multiArrayType":
            array = feature.type.multiArrayType
            dtype = array.ArrayDataType.Name(array.dataType).lower()
            flexible = array.WhichOneof("ShapeFlexibility")
            if flexible == "enumeratedShapes":
                shapes = sorted(tuple(s.shape) for s in array.enumeratedShapes.shapes)
                flexible = f"of {shapes}"
            flexible = flexible or array.WhichOneof("defaultOptionalValue")
            kind = f"{dtype} {tuple(array.shape)}" + (f" {flexible}" if flexible else "")
        elif kind == "dictionaryType":
            kind = feature.type.dictionaryType.WhichOneof("KeyType")
        found.append(f"{feature.name}: {kind}" + (" optional" if feature.type.isOptional else ""))
    return found


def interface(function: Function, lengths: list[int]) -> list[str]:
    """The same as `described`, from the program; an open size is enumerated over the lengths."""
    tensors = {tensor.name: tensor for op in function.operations for tensor in op.outputs}
    found = []
    for tensor in (*function.inputs, *(tensors[name] for name in function.outputs)):
        kind = f"{tensor.dtype.name} {tensor.shape}"
        if tensor.shape is None:
            kind = "stringKeyType"
        elif tensor.dtype == np.object_:
            kind = "stringType"
        elif None in tensor.shape:
            shapes = [tuple(n if s is None else s for s in tensor.shape) for n in lengths]
            kind = f"{tensor.dtype.name} {shapes[-1]} of {shapes}"
        found.append(f"{tensor.name}: {kind}")
    return found


def side_file_faults(folder: Path, description: Description) -> Iterator[str]:
    """Find files next to a package that do not belong to its model."""
    for name, text in (dict.fromkeys(BYTE_PAIR_FILES, "") | description.app_files()).items():
        file = folder / name
        if file.exists() and not (file.is_file() and file.read_bytes() == text.encode("utf-8")):
            yield f"{name} next to the package is not the model's"


def function_faults(
    function: Function, length: int, labels: list[str], options: CompleteOptions
) -> Iterator[str]:
    """Find faults of one function: operations, types, shapes, and the wiring of its outputs."""
    names = INPUTS[options.shapes]
    shape = (options.batch, None if options.shapes == "enumerated" else length)
    inputs = {tensor.name: (tensor.dtype.name, tensor.shape) for tensor in function.inputs}
    if inputs != dict.fromkeys(names, ("int32", shape)):
        yield f"the inputs are {inputs}, not {' and '.join(names)}, int32 {shape}"
    allowed = EVERYWHERE | OWN[options.layout] | set(CONSTANTS)
    allowed |= {"classify"} if options.outputs == "classifier" else set()
    for operation in function.operations:
        if operation.kind not in allowed:
            yield f"the operation {operation.kind} does not belong to the layout {options.layout}"
        for tensor in operation.outputs:
            if options.shapes == "fixed" and None in (tensor.shape or ()):
                yield f"{tensor.name} has an open shape, {tensor.shape}"
    yield from _precision_faults(function, options)
    yield from _output_faults(function, labels, options)


def _precision_faults(function: Function, options: CompleteOptions) -> Iterator[str]:
    """Find values, except the outputs, that are not in the requested precision."""
    wanted = np.dtype(NUMPY_DTYPES[options.precision])
    outputs = {"logits", SOFTMAX_NAMES[options.outputs]}
    for operation in function.operations:
        for tensor in operation.outputs:
            if tensor.dtype.kind == "f" and tensor.dtype != wanted and tensor.name not in outputs:
                yield f"{tensor.name} is {tensor.dtype.name}, not {wanted.name}"


def _output_faults(
    function: Function, labels: list[str], options: CompleteOptions
) -> Iterator[str]:
    """Check that logits and probabilities exist, and that a softmax makes the probabilities."""
    by_name = {tensor.name: op for op in function.operations for tensor in op.outputs}
    expected = {PROBABILITIES, "logits"} | ({LABEL} if options.outputs == "classifier" else set())
    if set(function.outputs) != expected:
        yield f"the outputs are {sorted(function.outputs)}, not {sorted(expected)}"
        return
    (logits,) = (t for t in by_name["logits"].outputs if t.name == "logits")
    if logits.shape != (options.batch, len(labels)):
        yield f"the logits have the shape {logits.shape}, not {(options.batch, len(labels))}"
    last = by_name[PROBABILITIES]
    source: Operation | None = last
    if options.outputs == "classifier":
        if last.kind != "classify" or last.inputs["classes"][0] != labels:
            yield f"the classifier's labels are not {labels}, in this order"
            return
        source = by_name.get(last.inputs["probabilities"][0])
    while source is not None and source.kind == "cast":
        source = by_name.get(source.inputs["x"][0])
    if source is None or source.kind != "softmax":
        yield "the probabilities are not made by a softmax"
