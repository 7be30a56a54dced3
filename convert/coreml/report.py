"""What an export or a verification found, to print and to write."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.convert.coreml.figures import Figures
from mlx_finbert.convert.coreml.metadata import Description, form
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.validation import Validation
from mlx_finbert.labels import are_generic

SHOWN_FAULTS = 10


@dataclass
class PackageReport:
    """One package and the figures of its functions."""

    name: str
    """Of the folder; it ends in `.rejected` where the package was kept aside."""
    bytes: int
    functions: list[Figures]

    @property
    def passed(self) -> bool:
        return not any(figures.faults for figures in self.functions)


@dataclass
class VerifyReport:
    """What `python -m mlx_finbert.convert.verify` found."""

    options: ExportOptions
    functions: list[Figures]

    @property
    def passed(self) -> bool:
        return not any(figures.faults for figures in self.functions)

    def __str__(self) -> str:
        lines = [line for figures in self.functions for line in figure_lines(figures, self.options)]
        return "\n".join([*lines, verdict(self.passed)])


@dataclass
class ExportReport:
    """What an export wrote."""

    folder: Path
    description: Description
    packages: list[PackageReport]
    validation: Validation | None = None

    @property
    def passed(self) -> bool:
        """Whether every package held its verification; else all are kept aside as `.rejected`."""
        return all(package.passed for package in self.packages)

    @property
    def paths(self) -> list[Path]:
        """The packages."""
        return [self.folder / package.name for package in self.packages]

    def __str__(self) -> str:
        options, labels = self.description.options, self.description.reference.labels
        lines = [
            f"{self.description.source} -> {self.folder}:"
            f" {', '.join(str(v) for v in form(options).values() if isinstance(v, str))}",
            f"labels: {', '.join(labels)}"
            + (" (give them names with --model-labels)" if are_generic(labels) else ""),
        ]
        for package in self.packages:
            lines.append(f"{package.name}: {package.bytes / 1e6:.1f} MB")
            for figures in package.functions:
                lines += figure_lines(figures, options)
        if self.validation:
            lines.append(str(self.validation))
        lines.append(verdict(self.passed))
        return "\n".join(lines)


def figure_lines(figures: Figures, options: ExportOptions) -> Iterator[str]:
    """One function, for the terminal."""
    stored = options.compress or options.precision
    yield (
        f"  {figures.length} tokens, {sum(figures.operations.values())} operations;"
        f" largest activation {figures.largest:.0f}"
    )
    yield (
        f"    probabilities off by at most {figures.exact_error:.1e} (graph in float32),"
        f" {figures.error:.1e} ({stored}, {figures.psnr:.0f} dB);"
        f" by padding {figures.exact_padding_error:.1e}, {figures.padding_error:.1e}"
    )
    if figures.core_ml:
        yield f"    {figures.core_ml}"
    for fault in figures.faults[:SHOWN_FAULTS]:
        yield f"    FAULT: {fault}"
    if (more := len(figures.faults) - SHOWN_FAULTS) > 0:
        yield f"    and {more} more"


def verdict(passed: bool) -> str:
    return "verified" if passed else "NOT verified: see the faults above"
