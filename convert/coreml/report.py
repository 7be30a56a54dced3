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
    temperature: float
    options: ExportOptions
    packages: list[PackageReport]
    rows_left_out: int = 0
    """Rows at the end of the model's embedding that no token reaches."""
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
            reference.temperature,
            description.options,
            packages,
            description.rows_left_out,
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
        if self.temperature != 1:
            lines.append(f"calibrated: logits over {self.temperature:g}")
        if self.rows_left_out:
            lines.append(f"left out: {self.rows_left_out:,} rows of the embedding, of no token")
        lines += map(str, self.packages)
        if self.validation:
            lines.append(str(self.validation))
        lines.append(verdict(self.passed))
        return "\n".join(lines)
