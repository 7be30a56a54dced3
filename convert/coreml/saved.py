"""Reads a saved package: its program, with the weights in numpy.

This shares no code with the writer of the file: only the protobuf messages are coremltools'. Their
format is that of coremltools' `mlmodel/format/MIL.proto`.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.mil import MIL_pb2, Model_pb2
from mlx_finbert.convert.coreml.stored_weights import (
    DTYPES,
    PACKED_BITS,
    WeightFiles,
    from_bytes,
    regular,
)
from mlx_finbert.errors import InputError
from mlx_finbert.files.json_text import read_json

MODEL = "com.apple.CoreML/model.mlmodel"


@dataclass
class Tensor:
    """The result of an operation."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...] | None
    """None for a value that is not a tensor, such as a classifier's dictionary. A size is None if
    the program leaves it open, such as the row length with enumerated shapes."""


@dataclass
class Operation:
    kind: str
    inputs: dict[str, list[Any]]
    """By parameter: names of values, as `Name`, or constants."""
    outputs: list[Tensor]

    @property
    def name(self) -> str:
        return self.outputs[0].name


class Name(str):
    """The name of another operation's value."""


@dataclass
class Function:
    """One function of a program, with its operations in execution order."""

    opset: str
    inputs: list[Tensor]
    operations: list[Operation]
    outputs: list[str]


class SavedPackage:
    """An `.mlpackage` folder.

    Raises:
        InputError: if it is not a package, or its files are damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            items = _manifest_items(path)
            self._weights = WeightFiles(path, items)
            self.spec = Model_pb2.Model()
            self.spec.ParseFromString(regular(items[MODEL]).read_bytes())
            self.functions = {
                name: self._function(function)
                for name, function in self.spec.mlProgram.functions.items()
            }
        except InputError:
            raise
        except Exception as error:
            # protobuf raises its own exceptions for broken messages.
            raise InputError(
                f"{path} cannot be read as a Core ML package ({error!r}): export it again"
            ) from None
        if not self.functions:
            raise InputError(f"{path} contains no ML program: export it with to_coreml")

    @property
    def metadata(self) -> dict[str, str]:
        """The user-defined metadata."""
        return dict(self.spec.description.metadata.userDefined)

    @property
    def bytes(self) -> int:
        """Total size of its files."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def function(self, length: int) -> Function | None:
        """The function for this row length; in a package of one program it is `main`."""
        return self.functions.get(f"length_{length}", self.functions.get("main"))

    def _function(self, function: Any) -> Function:
        block = function.block_specializations[function.opset]
        found = Function(
            function.opset,
            [_tensor(value) for value in function.inputs],
            [self._operation(operation) for operation in block.operations],
            list(block.outputs),
        )
        if fault := _disorder(found):
            raise InputError(f"{self.path} is damaged: {fault}; export it again")
        return found

    def _operation(self, operation: Any) -> Operation:
        inputs: dict[str, list[Any]] = {
            name: [
                Name(binding.name) if binding.name else self._value(binding.value)
                for binding in argument.arguments
            ]
            for name, argument in operation.inputs.items()
        }
        for name, value in operation.attributes.items():
            if name != "name":
                inputs[name] = [self._value(value)]
        return Operation(operation.type, inputs, [_tensor(value) for value in operation.outputs])

    def _value(self, value: Any) -> Any:
        if value.type.WhichOneof("type") == "listType":
            return [self._value(item) for item in value.immediateValue.list.values]
        kind = MIL_pb2.DataType.Name(value.type.tensorType.dataType)
        shape = _known_shape(value.type.tensorType)
        if value.WhichOneof("value") == "blobFileValue":
            return self._weights.read(value.blobFileValue, kind, shape)
        tensor = value.immediateValue.tensor
        values = getattr(tensor, tensor.WhichOneof("value")).values
        if isinstance(values, bytes):
            return from_bytes(np.frombuffer(values, np.uint8), kind, shape)
        array: np.ndarray = np.array(list(values), DTYPES[kind]).reshape(shape)
        return array.item() if kind == "STRING" and not shape else array


def _manifest_items(path: Path) -> dict[str, Path]:
    """The files of a package by their path in the manifest."""
    manifest = path / "Manifest.json"
    if not manifest.is_file():
        raise InputError(
            f"{path} is not a Core ML package: it has no Manifest.json; give an .mlpackage folder"
        )
    content = read_json(manifest, "export it again")
    entries = content["itemInfoEntries"]
    if entries[content["rootModelIdentifier"]]["path"] != MODEL:
        raise InputError(f"{manifest} is damaged: its root is not {MODEL}; export it again")
    return {entry["path"]: path / "Data" / entry["path"] for entry in entries.values()}


def _disorder(function: Function) -> str | None:
    """Find a fault in the order of values: each must be defined once, before it is used.

    An operation cannot use its own results.
    """
    given: set[str] = set()
    for name in (tensor.name for tensor in function.inputs):
        if name in given:
            return f"two inputs have the name {name!r}"
        given.add(name)
    for operation in function.operations:
        for part in itertools.chain.from_iterable(operation.inputs.values()):
            if isinstance(part, Name) and part not in given:
                return f"the value {part!r} is not defined before it is used"
        for tensor in operation.outputs:
            if tensor.name in given:
                return f"the value {tensor.name!r} is defined twice"
            given.add(tensor.name)
    missing = next((name for name in function.outputs if name not in given), None)
    return f"the output {missing!r} is not defined" if missing is not None else None


def _tensor(value: Any) -> Tensor:
    if value.type.WhichOneof("type") != "tensorType":
        return Tensor(value.name, np.dtype(np.object_), None)
    kind = MIL_pb2.DataType.Name(value.type.tensorType.dataType)
    dtype = np.uint8 if kind in PACKED_BITS else DTYPES[kind]
    return Tensor(value.name, np.dtype(dtype), _shape(value.type.tensorType))


def _shape(tensor_type: Any) -> tuple[int | None, ...]:
    return tuple(
        dimension.constant.size if dimension.WhichOneof("dimension") == "constant" else None
        for dimension in tensor_type.dimensions
    )


def _known_shape(tensor_type: Any) -> tuple[int, ...]:
    """The shape of a constant, which must not leave a size open."""
    shape = _shape(tensor_type)
    known = tuple(size for size in shape if size is not None)
    if len(known) < len(shape):
        raise ValueError(f"a constant with the open shape {shape}")
    return known
