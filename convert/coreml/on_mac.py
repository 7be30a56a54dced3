"""Runs Core ML itself, which exists only on macOS; the tests use a stand-in for `MLModel`."""

import platform
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.figures import psnr
from mlx_finbert.convert.coreml.inference import Runner
from mlx_finbert.convert.coreml.mil import ct, quiet
from mlx_finbert.errors import first_line

LEAST_PSNR = 40.0
"""Smallest PSNR in dB of Core ML's result against the evaluator's for the same file. It is Apple's
limit for a compiled model against its source (apple/coreai-models, `neural_engine_rules.md`)."""

MACOS = {"iOS16": 13, "iOS17": 14, "iOS18": 15, "iOS26": 26}
"""The macOS version released with each target."""


def run_core_ml(
    path: Path,
    function: str | None,
    target: str,
    infer: Callable[[Runner], np.ndarray],
    expected: np.ndarray,
) -> tuple[str, bool, list[str]]:
    """Run a package with Core ML.

    Args:
        path: path of the package.
        function: name of the function in a package of several, otherwise None.
        target: the package's target, such as `iOS16`.
        infer: computes the probabilities (N, num_labels) with a runner.
        expected: the evaluator's probabilities (N, num_labels).

    Returns:
        A line to print, whether Core ML ran the package, and faults. A macOS older than the target
        is not a fault; every other failure is one.
    """
    try:
        with quiet():
            model = ct.models.MLModel(str(path), function_name=function)
        found = infer(lambda feeds: _predict(model, feeds))
        off, noise = np.abs(found - expected).max(), psnr(found, expected)
    except Exception as error:
        # coremltools raises bare Exceptions for all errors of Core ML.
        if _is_too_old(target, error):
            return f"not run: Core ML on this Mac is too old for {target}", False, []
        return "", False, [f"Core ML on this Mac cannot run it: {first_line(error)}"]
    said = (
        f"Core ML on this Mac: largest difference from the evaluator {off:.1e},"
        f" {noise:.0f} dB; operations by device: {devices_of(model, function)}"
    )
    if noise >= LEAST_PSNR:
        return said, True, []
    return said, True, [f"Core ML's result has {noise:.1f} dB PSNR, below {LEAST_PSNR:.0f} dB"]


def _is_too_old(target: str, error: Exception) -> bool:
    """Whether this macOS is older than the target, by its version or coremltools' message."""
    # A Python built for old systems reports every later macOS as 10.16.
    major = int(platform.mac_ver()[0].partition(".")[0] or 0)
    told = re.search(r"only supports Core ML model specification version \d+", str(error))
    return 10 < major < MACOS[target] or bool(told)


def _predict(model: Any, feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return model.predict(dict(feeds))


def devices_of(model: Any, function: str | None, units: Any = None) -> str:
    """The number of operations that Core ML prefers to run on each device (macOS 14.4 or later).

    `units` is a `ComputeUnit` of coremltools; None allows all.
    """
    try:
        chosen = {} if units is None else {"compute_units": units}
        plan = ct.models.compute_plan.MLComputePlan.load_from_path(
            model.get_compiled_model_path(), **chosen
        )
        block = plan.model_structure.program.functions[function or "main"].block
        usages = map(plan.get_compute_device_usage_for_mlprogram_operation, block.operations)
        kinds = [type(u.preferred_compute_device).__name__ for u in usages if u is not None]
    except Exception as error:
        return f"unknown ({first_line(error)})"
    names = Counter(name.removeprefix("ML").removesuffix("ComputeDevice") for name in kinds)
    # The plan is empty for all functions except the default.
    return ", ".join(f"{count} {name}" for name, count in names.most_common()) or "unknown"
