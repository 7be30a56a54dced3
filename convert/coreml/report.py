"""What an export wrote, to print and to write down."""

from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.convert.coreml.figures import PackageReport, verdict
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.validation import Validation
from mlx_finbert.labels import are_generic


@dataclass
class ExportReport:
    """Of an export; it holds no weights."""

    folder: Path
    source: str
    source_sha256: str
    labels: list[str]
    options: ExportOptions
    packages: list[PackageReport]
    validation: Validation | None = None

    @classmethod
    def of(
        cls, folder: Path, description: Description, packages: list[PackageReport]
    ) -> "ExportReport":
        """The report of the packages in a folder."""
        reference = description.reference
        return cls(
            folder,
            description.source,
            reference.sha256,
            reference.labels,
            description.options,
            packages,
        )

    @property
    def passed(self) -> bool:
        """Whether every package held its verification; else all are kept aside as `.rejected`."""
        return all(package.passed for package in self.packages)

    @property
    def paths(self) -> list[Path]:
        """The packages."""
        return [self.folder / package.name for package in self.packages]

    def __str__(self) -> str:
        options = self.options
        parts = [options.layout, options.precision, options.compress, options.target]
        labels = ", ".join(self.labels)
        lines = [
            f"{self.source or 'model'} -> {self.folder}: {', '.join(p for p in parts if p)}",
            f"labels: {labels}"
            + (" (give them names with --model-labels)" if are_generic(self.labels) else ""),
        ]
        lines += map(str, self.packages)
        if self.validation:
            lines.append(str(self.validation))
        ran = all(package.core_ml_ran for package in self.packages)
        lines.append(verdict(self.passed, ran))
        return "\n".join(lines)
