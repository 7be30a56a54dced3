"""How far a package is from its model, and how far it may be."""

from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.convert.coreml.options import ExportOptions

EXACT_TOLERANCE = 1e-5
"""Of a probability, for the graph of the file in float32."""


@dataclass(frozen=True)
class Tolerance:
    """What a package may differ by."""

    probability: float
    """Absolute."""
    psnr: float
    """In dB, at least; Apple's gate for its fp16 DistilBERT is 60."""


FULL = {"fp32": Tolerance(1e-5, 90), "fp16": Tolerance(2e-3, 60)}
COMPRESSED = {
    "int8": Tolerance(3e-2, 35),
    # Experimental: wide enough for what they cost, which --validate measures.
    "palette6": Tolerance(1e-1, 30),
    "palette4": Tolerance(5e-1, 15),
}


def tolerance_of(options: ExportOptions) -> Tolerance:
    """By what the weights are stored in."""
    return COMPRESSED[options.compress] if options.compress else FULL[options.precision]


@dataclass
class Figures:
    """One function of a package against the model, over the verification texts."""

    length: int
    operations: dict[str, int]
    """How many of each kind, constants aside."""
    exact_error: float = np.nan
    """Largest error of a probability, the file's graph run in float32 with the model's weights."""
    error: float = np.nan
    """Largest error of a probability of the package as it is saved."""
    logits_error: float = np.nan
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
    faults: list[str] = field(default_factory=list)
    """What the verification found wrong, with the figure."""


def psnr(found: np.ndarray, expected: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB: 20 log10(largest expected value / rms error)."""
    noise = max(float(np.sqrt(np.square(found - expected).mean())), 1e-12)
    return float(20 * np.log10(np.abs(expected).max() / noise))


def tolerance_faults(figures: Figures, options: ExportOptions) -> list[str]:
    """Which figures are beyond what they may be; NaN is."""
    allowed = tolerance_of(options)
    faults = []
    for what, value, most in (
        ("in float32, a probability", figures.exact_error, EXACT_TOLERANCE),
        ("a probability", figures.error, allowed.probability),
        ("in float32, with other padding, a probability", figures.exact_padding_error, 1e-5),
        ("with other padding, a probability", figures.padding_error, allowed.probability),
    ):
        if not value <= most:
            faults.append(f"{what} is off by {value:.1e}; at most {most:.0e} is allowed")
    if not figures.psnr >= allowed.psnr:
        faults.append(
            f"the probabilities have {figures.psnr:.1f} dB PSNR, below {allowed.psnr:.0f} dB"
        )
    if faults and options.compress:
        faults[-1] += f"; this model needs an export without --compress {options.compress}"
    return faults
