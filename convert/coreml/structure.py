"""What a saved package must look like, whatever it computes."""

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from mlx_finbert.convert.coreml.graph import SCORES
from mlx_finbert.convert.coreml.metadata import PREFIX
from mlx_finbert.convert.coreml.operations import CONSTANTS
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.package import LABEL, PROBABILITIES
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.saved import Function, Operation, SavedPackage
from mlx_finbert.convert.coreml.vocabulary import Vocabulary

SPECIFICATION_VERSIONS = {"iOS16": 7, "iOS17": 8, "iOS18": 9}
"""Of Core ML's format, by the system that introduced it (coremltools' `AvailableTarget`)."""

EVERYWHERE = {
    "add", "cast", "cumsum", "expand_dims", "gather", "gelu", "layer_norm", "mul",
    "not_equal", "relu", "reshape", "silu", "slice_by_size", "softmax", "sub", "tanh",
    "transpose",
}  # fmt: skip
OWN = {"plain": {"linear", "matmul"}, "ane": {"concat", "conv", "einsum", "split"}}
"""Kinds of operations of each layout."""


def package_faults(
    package: SavedPackage, reference: Reference, vocabulary: Vocabulary, options: ExportOptions
) -> Iterator[str]:
    """What is wrong with a package as a whole."""
    labels = reference.labels
    version = SPECIFICATION_VERSIONS[options.target]
    if package.spec.specificationVersion != version:
        yield (
            f"the specification version is {package.spec.specificationVersion}, not {version}"
            f" as for {options.target}"
        )
    metadata = package.metadata
    if metadata.get(f"{PREFIX}source_sha256") != reference.sha256:
        yield "it says that it was made of other weights than the model's"
    if metadata.get(f"{PREFIX}labels") != json.dumps(labels, ensure_ascii=False):
        yield f"the labels in the metadata are {metadata.get(f'{PREFIX}labels')}, not {labels}"
    text = metadata.get(f"{PREFIX}vocabulary", "")
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    if not digest == metadata.get(f"{PREFIX}vocabulary_sha256") == vocabulary.sha256:
        yield "the vocabulary in the metadata is not the tokenizer's"
    beside = package.path.parent / "labels.json"
    if beside.is_file() and json.loads(beside.read_text(encoding="utf-8")) != labels:
        yield f"{beside.name} beside the package does not hold the labels {labels}"
    if options.outputs == "classifier":
        description = package.spec.description
        names = description.predictedFeatureName, description.predictedProbabilitiesName
        if names != (LABEL, PROBABILITIES):
            yield f"the classifier's outputs are named {names}, not {(LABEL, PROBABILITIES)}"


def function_faults(
    function: Function, length: int, labels: list[str], options: ExportOptions
) -> Iterator[str]:
    """What is wrong with one function: operations, types, shapes, the wiring of its outputs."""
    shape = (options.batch, length)
    inputs = {tensor.name: (tensor.dtype.name, tensor.shape) for tensor in function.inputs}
    if inputs != dict.fromkeys(("input_ids", "attention_mask"), ("int32", shape)):
        yield f"the inputs are {inputs}, not input_ids and attention_mask, int32 {shape}"
    allowed = EVERYWHERE | OWN[options.layout] | set(CONSTANTS)
    allowed |= {"classify"} if options.outputs == "classifier" else set()
    for operation in function.operations:
        if operation.kind not in allowed:
            yield f"the operation {operation.kind} does not belong to the layout {options.layout}"
    yield from _precision_faults(function, options)
    yield from _output_faults(function, labels, options)


def _precision_faults(function: Function, options: ExportOptions) -> Iterator[str]:
    """Nothing but the outputs themselves may be in another precision than asked for."""
    wanted = {"fp16": np.float16, "fp32": np.float32}[options.precision]
    outputs = {"logits", SCORES[options.outputs]}
    for operation in function.operations:
        for tensor in operation.outputs:
            if tensor.dtype.kind == "f" and tensor.dtype != wanted and tensor.name not in outputs:
                yield f"{tensor.name} is {tensor.dtype.name}, not {np.dtype(wanted).name}"


def _output_faults(function: Function, labels: list[str], options: ExportOptions) -> Iterator[str]:
    by_name = {tensor.name: op for op in function.operations for tensor in op.outputs}
    shapes = {tensor.name: tensor.shape for op in function.operations for tensor in op.outputs}
    expected = {PROBABILITIES, "logits"} | ({LABEL} if options.outputs == "classifier" else set())
    if set(function.outputs) != expected:
        yield f"the outputs are {sorted(function.outputs)}, not {sorted(expected)}"
        return
    if shapes["logits"] != (options.batch, len(labels)):
        yield f"the logits have the shape {shapes['logits']}, not {(options.batch, len(labels))}"
    scores = by_name[PROBABILITIES]
    if options.outputs == "classifier":
        if scores.kind != "classify" or scores.inputs["classes"][0] != labels:
            yield f"the classifier's labels are not {labels}, in this order"
            return
        scores = by_name[scores.inputs["probabilities"][0]]
    if not _is_softmax(scores, by_name):
        yield f"the probabilities are made by {scores.kind}, not by a softmax"


def _is_softmax(operation: Operation, by_name: dict[str, Operation]) -> bool:
    while operation.kind == "cast":
        operation = by_name[operation.inputs["x"][0]]
    return operation.kind == "softmax"
