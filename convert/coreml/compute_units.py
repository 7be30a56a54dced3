"""Runs a package with Core ML on each kind of compute unit; tests use a stand-in for `MLModel`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.figures import psnr
from mlx_finbert.convert.coreml.inference import Runner
from mlx_finbert.convert.coreml.mil import ct, quiet
from mlx_finbert.convert.coreml.on_mac import LEAST_PSNR, devices_of

UNITS = ("ALL", "CPU_AND_NE", "CPU_AND_GPU", "CPU_ONLY")
"""The names of coremltools' `ComputeUnit`."""

REPETITIONS = 10


@dataclass(frozen=True)
class UnitFigures:
    """What Core ML computed on one choice of compute units."""

    unit: str
    psnr: float
    """Of the probabilities, in dB."""
    milliseconds: float
    """Median time of a prediction, with the copies in and out of Core ML."""
    devices: str
    """The number of operations that Core ML prefers to run on each device."""

    @property
    def is_right(self) -> bool:
        """Whether the result is as exact as Apple's own limit for compiled models asks for."""
        return self.psnr >= LEAST_PSNR

    def __str__(self) -> str:
        return (
            f"{self.unit}: {self.psnr:.0f} dB, {self.milliseconds:.2f} ms a prediction;"
            f" operations by device: {self.devices}"
        )


def run_on(
    unit: str,
    path: Path,
    infer: Callable[[Runner], np.ndarray],
    feeds: dict[str, np.ndarray],
    expected: np.ndarray,
) -> UnitFigures:
    """Run a package on a choice of compute units.

    Args:
        unit: one of `UNITS`.
        path: the package.
        infer: computes the probabilities (N, num_labels) with a runner.
        feeds: the inputs of one prediction, to time it.
        expected: the model's probabilities (N, num_labels).
    """
    units = getattr(ct.ComputeUnit, unit)
    with quiet():
        model = ct.models.MLModel(str(path), compute_units=units)
    found = infer(lambda inputs: model.predict(dict(inputs)))
    taken = [seconds(model, feeds) for _ in range(REPETITIONS)]
    return UnitFigures(
        unit, psnr(found, expected), 1000 * median(taken), devices_of(model, None, units)
    )


def seconds(model: Any, feeds: dict[str, np.ndarray]) -> float:
    """The duration of one prediction."""
    start = time.perf_counter()
    model.predict(feeds)
    return time.perf_counter() - start
