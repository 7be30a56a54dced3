"""How far a package is from its model, and how far it may be."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.convert.coreml.options import ExportOptions

EXACT_TOLERANCE = 1e-5
"""Of a probability, for the graph of the file in float32."""

SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Tolerance:
    """What a package may differ by."""

    probability: float
    """Absolute, over the verification texts."""
    psnr: float
    """In dB, at least, over the verification texts."""
    golden: float
    """Absolute, over the golden texts: made to be hard, they differ several times as much."""


FULL = {
    # What errors of 1e-5 amount to, near the largest probability.
    "fp32": Tolerance(EXACT_TOLERANCE, 90, EXACT_TOLERANCE),
    # 60 dB is the gate of Apple's fp16 DistilBERT (ml-ane-transformers, test_distilbert.py).
    "fp16": Tolerance(2e-3, 60, 1e-2),
}
COMPRESSED = {
    "int8": Tolerance(3e-2, 35, 1e-1),
    # Experimental: wide enough for what they cost, which --validate measures. Of hard texts they
    # change the label, so the error there is reported, not bounded.
    "palette6": Tolerance(1e-1, 30, 1.0),
    "palette4": Tolerance(5e-1, 15, 1.0),
}


def margin_of(options: ExportOptions) -> float:
    """What the arithmetic of a device may add to an error that the evaluator finds."""
    return FULL[options.precision].probability


def tolerance_of(options: ExportOptions) -> Tolerance:
    """By what the weights are stored in."""
    return COMPRESSED[options.compress] if options.compress else FULL[options.precision]


@dataclass
class Figures:
    """One function of a package against the model, over the verification and golden texts."""

    length: int
    operations: dict[str, int]
    """How many of each kind, constants aside."""
    exact_error: float = np.nan
    """Largest error of a probability, the file's graph run in float32 with the model's weights."""
    exact_logits_error: float = np.nan
    """Largest error of a logit in the same run, over the largest logit (or 1)."""
    error: float = np.nan
    """Largest error of a probability of the package as it is saved, over the verification texts."""
    worst_text: str = ""
    """Name of the verification text with that error."""
    golden_error: float = np.nan
    """The same, over the golden texts."""
    golden_texts: int = 0
    """How many of them differ in their tokens."""
    worst_golden_text: str = ""
    """Its beginning."""
    logits_error: float = np.nan
    """Largest error of a logit, over the verification texts, as the two below."""
    psnr: float = np.nan
    """Of the probabilities, in dB."""
    agreement: float = np.nan
    """Share of the texts with the model's label."""
    exact_padding_error: float = np.nan
    """Largest change of a probability in float32 with other padding, or with more of it."""
    padding_error: float = np.nan
    """The same, of the package as it is saved."""
    largest: float = np.nan
    """Largest absolute value that a matrix product gives."""
    core_ml: str = ""
    """On a Mac, what Core ML itself gave."""
    core_ml_ran: bool = False
    """Whether Core ML itself ran the function: never on Linux."""
    faults: list[str] = field(default_factory=list)
    """What the verification found wrong, with the figure."""

    def lines(self, stored: str) -> Iterator[str]:
        """For the terminal."""
        yield (
            f"  {self.length} tokens, {sum(self.operations.values())} operations;"
            f" largest matrix product {self.largest:.0f}"
        )
        yield (
            f"    probabilities off by at most {self.exact_error:.0e} (graph in float32),"
            f" {self.error:.1e} ({stored}, {self.psnr:.0f} dB);"
            f" with other padding {self.exact_padding_error:.0e}, {self.padding_error:.0e}"
        )
        yield (
            f"    over the {self.golden_texts} golden texts by at most {self.golden_error:.1e}:"
            f" {self.worst_golden_text!r}"
        )
        if self.core_ml:
            yield f"    {self.core_ml}"
        for fault in self.faults[:SHOWN_FAULTS]:
            yield f"    FAULT: {fault}"
        if (more := len(self.faults) - SHOWN_FAULTS) > 0:
            yield f"    and {more} more"


@dataclass
class PackageReport:
    """One package and the figures of its functions."""

    name: str
    """Of the folder; it ends in `.rejected` where the package was kept aside."""
    bytes: int
    stored: str
    """What the weights are stored in: `fp16`, `int8`, ..."""
    functions: list[Figures]
    faults: list[str]
    """Of the package as a whole."""

    @property
    def passed(self) -> bool:
        return not self.faults and not any(figures.faults for figures in self.functions)

    @property
    def golden_error(self) -> float:
        """Largest error of a probability over the golden texts, of all functions."""
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
    return "not run by Core ML itself: that takes a Mac with the macOS of the target\nverified"


def psnr(found: np.ndarray, expected: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB: 20 log10(largest expected value / rms error)."""
    noise = max(float(np.sqrt(np.square(found - expected).mean())), 1e-12)
    return float(20 * np.log10(np.abs(expected).max() / noise))


def tolerance_faults(figures: Figures, options: ExportOptions) -> list[str]:
    """Which figures are beyond what they may be; NaN is."""
    exact = _beyond(
        EXACT_TOLERANCE,
        {
            "in float32, relative to the largest, a logit": figures.exact_logits_error,
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
        stored[-1] += f"; the graph is right: export without --compress {options.compress}"
    elif stored and not exact and options.precision == "fp16":
        stored[-1] += "; the graph is right: export with --precision fp32"
    return exact + stored


def _beyond(most: float, values: dict[str, float]) -> list[str]:
    return [
        f"{what} is off by {value:.1e}; at most {most:.0e} is allowed"
        for what, value in values.items()
        if not value <= most
    ]
