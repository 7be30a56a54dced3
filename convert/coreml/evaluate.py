"""Runs a saved program, on any machine.

Half precision is emulated: every operation computes in float32, and its result is rounded to the
type that the file declares for it. An accelerator's own accumulation and tables are not emulated.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.operations import CONSTANTS, OPERATIONS, EvaluationError
from mlx_finbert.convert.coreml.saved import Function, Name, Operation, Tensor

PRODUCTS = {"linear", "conv", "matmul", "einsum"}
"""Operations whose largest result is reported; sums would only show the mask's -1e4."""

LISTS = {"values"}
"""Parameters with several values, of concat and einsum."""

PARAMETERS = {
    "weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "epsilon": "epsilon",
}  # fmt: skip
"""Parameters of an operation, and the suffixes of their constants' names in the graph."""

CAST_NAMES = {"fp16": "float16", "fp32": "float32"}
"""Targets of a cast by Core ML's name, if numpy's differs."""

DAMAGES = ArithmeticError, AttributeError, LookupError, TypeError, ValueError
"""Exceptions that numpy raises for a file that the export did not write."""

Stored = dict[str, Callable[[], Any]]
"""Functions by name that each read a constant."""


class Evaluator:
    """Runs one function of a saved package.

    Args:
        function: a function of a `SavedPackage`.
        exact: constants by name, float32. If given, they replace the file's and nothing is
            rounded: this runs the file's graph without its precision.
    """

    def __init__(self, function: Function, exact: Mapping[str, np.ndarray] | None = None) -> None:
        self.function = function
        self.exact = exact
        self.largest = 0.0
        """Largest absolute value in a matrix product so far."""
        self.not_finite: set[str] = set()
        """Operations whose result had NaN or infinity."""
        stored = stored_constants(function)
        self._constants = self._decoded(stored)
        self._merged = self._unmerged(stored, exact) if exact else {}

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Run the function on int32 feeds (B, S) by input name; return the outputs by name.

        Raises:
            EvaluationError: for feeds or operations that do not match the file.
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
            raise EvaluationError(f"the operation {operation.kind} is unknown")
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
        """Decode all constants once, floats as float32."""
        constants: dict[str, Any] = {}
        for name, decode in stored.items():
            exact = None if self.exact is None else self.exact.get(original_name(name))
            constants[name] = _as_float32(decode() if exact is None else exact)
        return constants

    def _unmerged(
        self, stored: Stored, exact: Mapping[str, np.ndarray]
    ) -> dict[tuple[str, str], np.ndarray]:
        """Exact constants, by operation and parameter, that the file shares with other operations.

        coremltools stores constants once if they are equal in the file's precision, even if they
        differ in float32. Only then is an operation's own constant used instead of the shared one.
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
    """Whether a shape matches the declared one, in which None allows any size."""
    return len(shape) == len(declared) and all(
        size in (found, None) for found, size in zip(shape, declared, strict=True)
    )


def stored_constants(function: Function) -> Stored:
    """Functions that read each constant of a function, decompressed, in the file's type.

    They are called only when needed: a constant that is replaced is not decompressed.
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
    """Convert a constant to the type that the file declares for it."""
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
    """Refuse a cast whose target differs from the declared type of its result."""
    if operation.kind == "cast":
        wanted = CAST_NAMES.get(arguments["dtype"], arguments["dtype"])
        if wanted != operation.outputs[0].dtype.name:
            raise EvaluationError(
                f"{operation.name} is a cast to {wanted}, but the file says"
                f" {operation.outputs[0].dtype.name}"
            )


def original_name(name: str) -> str:
    """The name of a constant in the graph, without the suffix that compression adds."""
    return re.sub(r"_(quantized|palettized)$", "", name)


def _as_float32(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return np.ascontiguousarray(value, dtype=np.float32)
    return value
