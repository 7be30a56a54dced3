"""Reads a saved package's weights back; each must equal the model's as far as its format allows."""

from collections.abc import Iterator, Mapping

import numpy as np

from mlx_finbert.convert.coreml.evaluate import original_name, stored_constants
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.package import is_compressed
from mlx_finbert.convert.coreml.saved import Function

INT8_STEPS = 0.7
"""Largest error of a value, in steps of its row: half a step, plus at most 127 * 2^-11 = 0.062
steps for each of three roundings to fp16 (of the value, the step and their product)."""

SUBNORMAL = 127 * 2.0**-25
"""Added to that limit, because steps below 2^-14 have errors of up to 2^-25 in fp16."""

FP16_ROUNDING = 2.0**-11
"""Largest relative error of a number rounded to fp16."""

RMS_BOUNDS = {"palette6": 0.06, "palette4": 0.25}
"""Largest relative error of a matrix: its root mean square error over that of its values. A palette
fitted to normally distributed values has 0.03 and 0.1 (Max 1960, table I, continued to 64 levels).
"""


def read_back(
    function: Function, expected: Mapping[str, np.ndarray], options: ExportOptions
) -> Iterator[str]:
    """Compare every stored constant with the graph's and yield the faults.

    Args:
        function: a function of the saved package.
        expected: the graph's constants by name, in the file's precision.
        options: options of the export.
    """
    kinds = {operation.name: operation.kind for operation in function.operations}
    for stored_name, decode in stored_constants(function).items():
        stored, name = decode(), original_name(stored_name)
        if not isinstance(stored, np.ndarray) or stored.dtype.kind != "f":
            continue
        if name not in expected:
            yield f"the constant {stored_name} does not belong to the graph"
            continue
        wanted = is_compressed(name, expected[name], options.compress)
        if wanted != kinds[stored_name].startswith("constexpr"):
            yield f"{name} was {'not ' if wanted else ''}compressed"
        elif fault := spoiled(stored, expected[name], options, wanted):
            yield f"{name} is wrong: {fault}"


def spoiled(
    stored: np.ndarray, exact: np.ndarray, options: ExportOptions, compressed: bool
) -> str | None:
    """Find the fault of a stored constant, if it has one."""
    if stored.shape != exact.shape:
        return f"its shape is {stored.shape}, not {exact.shape}"
    if not compressed or options.compress is None:
        same = stored.dtype == exact.dtype and stored.tobytes() == exact.tobytes()
        return None if same else "it is not the model's value"
    stored, exact = stored.astype(np.float32), exact.astype(np.float32)
    if options.compress == "int8":
        return _int8_fault(stored, exact)
    return _palette_fault(stored, exact, RMS_BOUNDS[options.compress])


def _int8_fault(stored: np.ndarray, exact: np.ndarray) -> str | None:
    rows = np.abs(exact).reshape(len(exact), -1).max(axis=1)
    steps = rows.reshape(-1, *[1] * (exact.ndim - 1)) / 127
    worst = float((np.abs(stored - exact) / (INT8_STEPS * steps + SUBNORMAL)).max())
    return None if worst <= 1 else f"the error of a value is {worst:.1f} times the limit of int8"


def _palette_fault(stored: np.ndarray, exact: np.ndarray, bound: float) -> str | None:
    """Check that every value is the nearest in the palette, and that the palette fits the values.

    The nearest value was chosen before the palette was rounded to fp16. For a value halfway between
    two entries, their rounding decides which of them is nearest now.
    """
    error = np.abs(stored - exact)
    palette = np.unique(stored)
    above = np.clip(np.searchsorted(palette, exact), 1, max(len(palette) - 1, 1))
    lower, upper = palette[above - 1], palette[np.minimum(above, len(palette) - 1)]
    nearest = np.minimum(np.abs(exact - lower), np.abs(exact - upper))
    rounding = FP16_ROUNDING * (np.abs(lower) + np.abs(upper))
    if (error > nearest + rounding + SUBNORMAL).any():
        return "a value is not the nearest one in the palette"
    size = float(np.sqrt(np.square(exact).mean()))
    relative = float(np.sqrt(np.square(error).mean())) / max(size, SUBNORMAL)
    return None if relative <= bound else f"its relative error is {relative:.3f}, above {bound}"
