"""The errors of an asset against its model, and the report of an export."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlx_finbert.convert.coreai.options import AssetOptions
from mlx_finbert.convert.coreml.figures import EXACT_TOLERANCE, SHOWN_FAULTS
from mlx_finbert.convert.coreml.swift_package import ASSET_SYSTEMS
from mlx_finbert.labels import are_generic

STORED_TOLERANCE = {"fp32": EXACT_TOLERANCE, "fp16": 1e-2, "int8": 3e-2}
"""Largest error of a probability over the golden texts from the stored values, in float32."""

RUN_TOLERANCE = {"fp32": EXACT_TOLERANCE, "fp16": 2e-3, "int8": 3e-2}
"""Largest error of a probability in a row that the asset itself has computed."""


@dataclass
class AssetFigures:
    """Figures of an asset; rows are those of the golden texts."""

    operations: dict[str, int] = field(default_factory=dict)
    """Number of operations by kind, without constants."""
    golden_texts: int = 0
    """Number of golden texts with different tokens."""
    exact_error: float = np.nan
    """Largest error of a probability if the program computes in float32 on the model's weights."""
    exact_logits_error: float = np.nan
    """Largest error of a logit in the same run, relative to the largest logit (or 1)."""
    functions_error: float = np.nan
    """Largest difference of a probability between functions for the same row, in float32."""
    padding_error: float = np.nan
    """Largest change of a probability with other tokens in the padding, in float32."""
    stored_error: float = np.nan
    """Largest error of a probability from the stored values, computed in float32."""
    worst_text: str = ""
    """Beginning of the golden text with that error."""
    run_error: float = np.nan
    """Largest error of a probability in the rows that the asset itself has computed."""
    run_rows: int = 0
    """Number of these rows: one in half precision, which Linux computes digit by digit."""

    @property
    def golden_error(self) -> float:
        """The largest error of a probability that was measured."""
        return max(self.stored_error, self.run_error)

    def lines(self, stored: str) -> Iterator[str]:
        """The lines of a report for the terminal."""
        yield (
            f"  {sum(self.operations.values())} operations; largest error of a probability over"
            f" {self.golden_texts} golden texts: {self.exact_error:.0e} (program in float32),"
            f" {self.stored_error:.1e} ({stored} values, {self.worst_text!r})"
        )
        yield (
            f"  run as saved: {self.run_error:.1e} in {self.run_rows} rows; between functions"
            f" {self.functions_error:.0e}, with other padding {self.padding_error:.0e}"
        )


@dataclass
class AssetReport:
    """The report of an export or of a verification."""

    folder: Path
    name: str
    """Name of the asset; it ends in `.rejected` if it failed."""
    source: str
    source_sha256: str
    labels: list[str]
    options: AssetOptions
    lengths: list[int]
    bytes: int
    figures: AssetFigures
    rows_left_out: int = 0
    """Rows at the end of the model's embedding that no token reaches."""
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Files that an export writes next to the asset and that were not there to check."""
    next_steps: str = ""
    """What to do with a Swift package of the export."""

    @property
    def stored(self) -> str:
        """Format of the weights."""
        return self.options.compress or self.options.precision

    @property
    def passed(self) -> bool:
        """Whether the asset passed verification; otherwise an export renames it."""
        return not self.faults

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def paths(self) -> list[Path]:
        """The path, as reports of several models have them."""
        return [self.path]

    @property
    def row_lengths(self) -> list[int]:
        """Lengths of the functions' rows."""
        return self.lengths

    @property
    def systems(self) -> tuple[str, str]:
        """The oldest macOS and iOS that run the asset."""
        return ASSET_SYSTEMS

    def __str__(self) -> str:
        form = [self.options.precision, *filter(None, [self.options.compress])]
        labels = ", ".join(self.labels)
        lines = [
            f"{self.source or 'model'} -> {self.path}: Core AI, {', '.join(form)}",
            f"labels: {labels}"
            + (" (name them with `model_labels`)" if are_generic(self.labels) else ""),
        ]
        if self.rows_left_out:
            lines.append(f"left out: {self.rows_left_out:,} embedding rows that no token uses")
        tokens = ", ".join(map(str, self.lengths))
        lines.append(f"{self.name}: {self.bytes / 1e6:.1f} MB, functions for {tokens} tokens")
        lines += self.figures.lines(self.stored)
        lines += [f"  FAULT: {fault}" for fault in self.faults[:SHOWN_FAULTS]]
        if (more := len(self.faults) - SHOWN_FAULTS) > 0:
            lines.append(f"  and {more} more faults")
        if self.missing:
            lines.append(f"missing next to the asset, so not checked: {', '.join(self.missing)}")
        lines += [self.next_steps] if self.next_steps else []
        if self.passed:
            return "\n".join([*lines, "not run on a device's own compute units", "verified"])
        return "\n".join([*lines, "NOT verified: see the faults above"])


def tolerance_faults(figures: AssetFigures, options: AssetOptions) -> list[str]:
    """Describe the figures that exceed the tolerance; NaN does."""
    stored = options.compress or options.precision
    exact = _beyond(
        EXACT_TOLERANCE,
        {
            "in float32, relative to the largest logit, a logit": figures.exact_logits_error,
            "in float32, a probability": figures.exact_error,
            "in float32, between the functions, a probability": figures.functions_error,
            "in float32, with other padding, a probability": figures.padding_error,
        },
    )
    worst = f"on the golden text {figures.worst_text!r}, from {stored} values, a probability"
    found = _beyond(STORED_TOLERANCE[stored], {worst: figures.stored_error})
    found += _beyond(RUN_TOLERANCE[stored], {"run as saved, a probability": figures.run_error})
    if found and not exact and stored != "fp32":
        remedy = "without `compress`" if options.compress else "with `precision=fp32`"
        found[-1] += f"; the program is correct: export {remedy}"
    return exact + found


def _beyond(most: float, values: dict[str, float]) -> list[str]:
    return [
        f"{what} is off by {value:.1e}; at most {most:.0e} is allowed"
        for what, value in values.items()
        if not value <= most
    ]
