"""The errors of a package against its model, and the errors that are allowed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.convert.coreml.options import ExportOptions

EXACT_TOLERANCE = 1e-5
"""Largest error of a probability for the file's graph in float32."""

SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Tolerance:
    """The allowed differences of a package."""

    probability: float
    """Largest absolute error of a probability over the verification texts."""
    psnr: float
    """Smallest PSNR over the verification texts, in dB."""
    golden: float
    """Largest absolute error of a probability over the golden texts.

    These are made to be hard, and have errors several times as large.
    """


FULL = {
    # 90 dB corresponds to errors of 1e-5 near the largest probability.
    "fp32": Tolerance(EXACT_TOLERANCE, 90, EXACT_TOLERANCE),
    # 60 dB is the gate of Apple's fp16 DistilBERT (ml-ane-transformers, test_distilbert.py).
    "fp16": Tolerance(2e-3, 60, 1e-2),
}
COMPRESSED = {
    "int8": Tolerance(3e-2, 35, 1e-1),
    # Experimental: wide enough for their usual errors, whose cost --validate measures. They change
    # labels of hard texts, so the error there is reported but not limited.
    "palette6": Tolerance(1e-1, 30, 1.0),
    "palette4": Tolerance(5e-1, 15, 1.0),
}


def margin_of(options: ExportOptions) -> float:
    """The error that a device's arithmetic may add to the evaluator's."""
    return FULL[options.precision].probability


def tolerance_of(options: ExportOptions) -> Tolerance:
    """The tolerance, which depends on how the weights are stored."""
    return COMPRESSED[options.compress] if options.compress else FULL[options.precision]


@dataclass
class Figures:
    """Figures of one function of a package, over the verification and golden texts."""

    length: int
    operations: dict[str, int]
    """Number of operations by kind, without constants."""
    exact_error: float = np.nan
    """Largest error of a probability if the file's graph runs in float32 on the model's weights."""
    exact_logits_error: float = np.nan
    """Largest error of a logit in the same run, relative to the largest logit (or 1)."""
    error: float = np.nan
    """Largest error of a probability of the saved package, over the verification texts."""
    worst_text: str = ""
    """Name of the verification text with that error."""
    golden_error: float = np.nan
    """Largest error of a probability of the saved package, over the golden texts."""
    golden_texts: int = 0
    """Number of golden texts with different tokens."""
    worst_golden_text: str = ""
    """Beginning of the golden text with the largest error."""
    logits_error: float = np.nan
    """Largest error of a logit, over the verification texts."""
    psnr: float = np.nan
    """PSNR of the probabilities in dB, over the verification texts."""
    agreement: float = np.nan
    """Share of the verification texts with the model's label."""
    exact_padding_error: float = np.nan
    """Largest change of a probability in float32 with other padding or more of it."""
    padding_error: float = np.nan
    """The same change in the saved package."""
    largest: float = np.nan
    """Largest absolute value in the result of a matrix product."""
    core_ml: str = ""
    """On a Mac, the result of Core ML itself, in words."""
    core_ml_ran: bool = False
    """Whether Core ML itself ran the function; always False on Linux."""
    faults: list[str] = field(default_factory=list)
    """Faults found by the verification, with their figures."""

    def lines(self, stored: str) -> Iterator[str]:
        """The lines of a report for the terminal."""
        yield (
            f"  {self.length} tokens, {sum(self.operations.values())} operations;"
            f" largest matrix product {self.largest:.0f}"
        )
        yield (
            f"    largest error of a probability: {self.exact_error:.0e} (graph in float32),"
            f" {self.error:.1e} ({stored}, {self.psnr:.0f} dB);"
            f" with other padding: {self.exact_padding_error:.0e}, {self.padding_error:.0e}"
        )
        yield (
            f"    over the {self.golden_texts} golden texts: {self.golden_error:.1e}"
            f" ({self.worst_golden_text!r})"
        )
        if self.core_ml:
            yield f"    {self.core_ml}"
        for fault in self.faults[:SHOWN_FAULTS]:
            yield f"    FAULT: {fault}"
        if (more := len(self.faults) - SHOWN_FAULTS) > 0:
            yield f"    and {more} more faults"


@dataclass
class PackageReport:
    """One package and the figures of its functions."""

    name: str
    """Name of the folder; it ends in `.rejected` if the package failed."""
    bytes: int
    stored: str
    """Format of the weights: `fp16`, `int8`, ..."""
    functions: list[Figures]
    faults: list[str]
    """Faults of the package as a whole."""

    @property
    def passed(self) -> bool:
        return not self.faults and not any(figures.faults for figures in self.functions)

    @property
    def golden_error(self) -> float:
        """Largest error of a probability over the golden texts and all functions."""
        return max(figures.golden_error for figures in self.functions)

    @property
    def core_ml_ran(self) -> bool:
        """Whether Core ML itself ran every function."""
        return all(figures.core_ml_ran for figures in self.functions)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.bytes / 1e6:.1f} MB"]
        lines += [f"  FAULT: {fault}" for fault in self.faults]
        for figures in self.functions:
            lines += figures.lines(self.stored)
        return "\n".join(lines)


def verdict(passed: bool, core_ml_ran: bool) -> str:
    """The last lines of a report."""
    if not passed:
        return "NOT verified: see the faults above"
    if core_ml_ran:
        return "verified"
    return "not run by Core ML itself, which needs a Mac with the target's macOS\nverified"


def psnr(found: np.ndarray, expected: np.ndarray) -> float:
    """The peak signal-to-noise ratio in dB: 20 log10(largest expected value / rms error)."""
    noise = max(float(np.sqrt(np.square(found - expected).mean())), 1e-12)
    return float(20 * np.log10(np.abs(expected).max() / noise))


def tolerance_faults(figures: Figures, options: ExportOptions) -> list[str]:
    """Describe the figures that exceed the tolerance; NaN does."""
    exact = _beyond(
        EXACT_TOLERANCE,
        {
            "in float32, relative to the largest logit, a logit": figures.exact_logits_error,
            "in float32, a probability": figures.exact_error,
            "in float32, with other padding, a probability": figures.exact_padding_error,
        },
    )
    allowed = tolerance_of(options)
    stored = _beyond(
        allowed.probability,
        {
            f"on the text {figures.worst_text!r}, a probability": figures.error,
            "with other padding, a probability": figures.padding_error,
        },
    )
    golden = f"on the golden text {figures.worst_golden_text!r}, a probability"
    stored += _beyond(allowed.golden, {golden: figures.golden_error})
    if not figures.psnr >= allowed.psnr:
        stored.append(
            f"the probabilities have {figures.psnr:.1f} dB PSNR, below {allowed.psnr:.0f} dB"
        )
    if stored and not exact and options.compress:
        stored[-1] += f"; the graph is correct: export without `compress={options.compress}`"
    elif stored and not exact and options.precision == "fp16":
        stored[-1] += "; the graph is correct: export with `precision=fp32`"
    return exact + stored


def _beyond(most: float, values: dict[str, float]) -> list[str]:
    return [
        f"{what} is off by {value:.1e}; at most {most:.0e} is allowed"
        for what, value in values.items()
        if not value <= most
    ]
