"""Running a saved program, on any machine.

Half precision is emulated: every operation computes in float32 and its result is rounded to the
type that the file declares for it. What an accelerator adds, its own accumulation and tables, is
not emulated.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.operations import CONSTANTS, OPERATIONS, EvaluationError
from mlx_finbert.convert.coreml.saved import Function, Name, Operation, Tensor

PRODUCTS = {"linear", "conv", "matmul", "einsum"}
"""Whose largest result is reported; sums would show the -1e4 of the mask alone."""

LISTS = {"values"}
"""Parameters of several values, of concat and einsum."""

PARAMETERS = {
    "weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "epsilon": "epsilon",
}  # fmt: skip
"""An operation's constants by what the graph calls them after the operation's name."""

CAST_NAMES = {"fp16": "float16", "fp32": "float32"}
"""What numpy calls the targets of a cast, where the names differ."""

DAMAGES = ArithmeticError, AttributeError, LookupError, TypeError, ValueError
"""What numpy raises where a file is not what the export writes."""

Stored = dict[str, Callable[[], Any]]
"""Constants by name, each to be read by a call."""


class Evaluator:
    """One function of a saved package.

    Args:
        function: of a `SavedPackage`.
        exact: constants by name, float32. Where given, they take the place of the file's and
            nothing is rounded: the graph of the file, without its precision.
    """

    def __init__(self, function: Function, exact: Mapping[str, np.ndarray] | None = None) -> None:
        self.function = function
        self.exact = exact
        self.largest = 0.0
        """Largest absolute value that a matrix product gave so far."""
        self.not_finite: set[str] = set()
        """Operations that gave NaN or infinity."""
        stored = stored_constants(function)
        self._constants = self._decoded(stored)
        self._merged = self._unmerged(stored, exact) if exact else {}

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The outputs by name; int32 feeds (B, S) by input name.

        Raises:
            EvaluationError: for feeds or operations that do not fit the file.
        """
        values: dict[str, Any] = {}
        for tensor in self.function.inputs:
            feed = feeds.get(tensor.name)
            if feed is None or tensor.shape is None or not fits(feed.shape, tensor.shape):
                raise EvaluationError(f"the input {tensor.name} must be of shape {tensor.shape}")
            values[tensor.name] = feed
        with np.errstate(all="ignore"):
            for operation in self.function.operations:
                if operation.kind not in CONSTANTS:
                    self._run(operation, values)
        return {name: values[name] for name in self.function.outputs}

    def _run(self, operation: Operation, values: dict[str, Any]) -> None:
        if operation.kind not in OPERATIONS:
            raise EvaluationError(f"the operation {operation.kind} is not known")
        try:
            arguments = self._arguments(operation, values)
            require_cast(operation, arguments)
            results = OPERATIONS[operation.kind](**arguments)
            results = results if isinstance(results, list) else [results]
            for tensor, result in zip(operation.outputs, results, strict=True):
                values[tensor.name] = self._rounded(tensor, result)
        except DAMAGES as error:
            raise EvaluationError(f"{operation.kind} {operation.name}: {error}") from error
        if operation.kind in PRODUCTS:
            self.largest = max(self.largest, float(np.abs(values[operation.name]).max()))

    def _arguments(self, operation: Operation, values: dict[str, Any]) -> dict[str, Any]:
        def resolve(parameter: str, part: Any) -> Any:
            if not isinstance(part, Name):
                return _as_float32(part)
            if part in values:
                return values[part]
            return self._merged.get((operation.name, parameter), self._constants[part])

        found = {
            name: [resolve(name, part) for part in parts]
            for name, parts in operation.inputs.items()
        }
        return {name: parts if name in LISTS else parts[0] for name, parts in found.items()}

    def _rounded(self, tensor: Tensor, value: Any) -> Any:
        if tensor.shape is None or tensor.dtype == np.object_:
            return value
        if not fits(value.shape, tensor.shape):
            raise EvaluationError(
                f"{tensor.name} has the shape {value.shape}, but the file says {tensor.shape}"
            )
        if tensor.dtype.kind != value.dtype.kind or (
            tensor.dtype.kind != "f" and tensor.dtype != value.dtype
        ):
            raise EvaluationError(
                f"{tensor.name} is {value.dtype.name}, but the file says {tensor.dtype.name}"
            )
        if tensor.dtype.kind != "f":
            return value
        if tensor.dtype == np.float16 and self.exact is None:
            value = value.astype(np.float16)
        if not np.isfinite(value).all():
            self.not_finite.add(tensor.name)
        return value.astype(np.float32, copy=False)

    def _decoded(self, stored: Stored) -> dict[str, Any]:
        """All constants, floats as float32: decoded once, not at each run."""
        constants: dict[str, Any] = {}
        for name, decode in stored.items():
            exact = None if self.exact is None else self.exact.get(original_name(name))
            constants[name] = _as_float32(decode() if exact is None else exact)
        return constants

    def _unmerged(
        self, stored: Stored, exact: Mapping[str, np.ndarray]
    ) -> dict[tuple[str, str], np.ndarray]:
        """Exact constants by operation and parameter, where the file has another's in their place.

        coremltools stores constants once that are equal in the precision of the file, which they
        need not be in float32. Only such a stand-in is taken for the operation's own.
        """
        found: dict[tuple[str, str], np.ndarray] = {}
        for operation in self.function.operations:
            for parameter, suffix in PARAMETERS.items():
                own = f"{operation.name}_{suffix}"
                name = operation.inputs.get(parameter, [None])[0]
                if own in exact and isinstance(name, Name) and original_name(name) != own:
                    value = stored[name]()
                    if np.array_equal(exact[own].astype(value.dtype), value):
                        found[operation.name, parameter] = exact[own]
        return found


def fits(shape: tuple[int, ...], declared: tuple[int | None, ...]) -> bool:
    """Whether a shape is the declared one, where that says a size."""
    return len(shape) == len(declared) and all(
        size in (found, None) for found, size in zip(shape, declared, strict=True)
    )


def stored_constants(function: Function) -> Stored:
    """For each constant of a function, how to read it, decompressed, in the type of the file.

    Reading waits for the call: a constant that is replaced need not be decompressed.
    """
    found: Stored = {}

    def decode(operation: Operation) -> Any:
        arguments = {
            name: found[parts[0]]() if isinstance(parts[0], Name) else parts[0]
            for name, parts in operation.inputs.items()
        }
        try:
            value = CONSTANTS[operation.kind](**arguments)
        except DAMAGES as error:
            raise EvaluationError(f"{operation.kind} {operation.name}: {error}") from error
        return declared(operation, value)

    for operation in function.operations:
        if operation.kind in CONSTANTS:
            found[operation.name] = partial(decode, operation)
    return found


def declared(operation: Operation, value: Any) -> Any:
    """The value of a constant in the type that the file declares for it."""
    (tensor,) = operation.outputs
    if not isinstance(value, np.ndarray):
        return value
    if value.shape != tensor.shape:
        raise EvaluationError(
            f"{tensor.name} has the shape {value.shape}, but the file says {tensor.shape}"
        )
    if operation.kind == "const" and value.dtype != tensor.dtype:
        raise EvaluationError(
            f"{tensor.name} is {value.dtype.name}, but the file says {tensor.dtype.name}"
        )
    return value.astype(tensor.dtype)


def require_cast(operation: Operation, arguments: Mapping[str, Any]) -> None:
    """A cast must give what it says."""
    if operation.kind == "cast":
        wanted = CAST_NAMES.get(arguments["dtype"], arguments["dtype"])
        if wanted != operation.outputs[0].dtype.name:
            raise EvaluationError(
                f"{operation.name} is a cast to {wanted}, but the file says"
                f" {operation.outputs[0].dtype.name}"
            )


def original_name(name: str) -> str:
    """The name that the graph gave to a constant, before compression added its own."""
    return re.sub(r"_(quantized|palettized)$", "", name)


def _as_float32(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return np.ascontiguousarray(value, dtype=np.float32)
    return value
