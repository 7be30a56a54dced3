"""The report of an export, for the terminal and for export.json."""

from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.convert.coreml.figures import PackageReport, verdict
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.options import MULTIFUNCTION_TARGETS, CompleteOptions
from mlx_finbert.convert.coreml.swift_package import SYSTEMS
from mlx_finbert.convert.coreml.validation import Validation
from mlx_finbert.convert.coreml.vocabulary import padding_notice, shared_padding
from mlx_finbert.labels import are_generic


@dataclass
class ExportReport:
    """The report of an export, without weights."""

    folder: Path
    source: str
    source_sha256: str
    labels: list[str]
    options: CompleteOptions
    packages: list[PackageReport]
    notice: str
    """A note on the mask, if the packages derive it from the ids."""
    can_enumerate: bool
    """Whether this model can be exported with enumerated shapes."""
    rows_left_out: int = 0
    """Rows at the end of the model's embedding that no token reaches."""
    validation: Validation | None = None
    next_steps: str = ""
    """What to do with a Swift package of the export."""

    @classmethod
    def of(
        cls, folder: Path, description: Description, packages: list[PackageReport]
    ) -> "ExportReport":
        """Make the report of the packages in a folder."""
        reference, vocabulary = description.reference, description.vocabulary
        derived = description.options.shapes == "enumerated"
        return cls(
            folder,
            description.source,
            reference.sha256,
            reference.labels,
            description.options,
            packages,
            padding_notice(vocabulary) if derived else "",
            shared_padding(vocabulary) is None,
            description.rows_left_out,
        )

    @property
    def passed(self) -> bool:
        """Whether every package passed verification; otherwise all are renamed to `.rejected`."""
        return all(package.passed for package in self.packages)

    @property
    def golden_error(self) -> float:
        """Largest error of a probability over the golden texts and all packages."""
        return max(package.golden_error for package in self.packages)

    @property
    def bytes(self) -> int:
        """Size of all packages together, which they add to an app."""
        return sum(package.bytes for package in self.packages)

    @property
    def paths(self) -> list[Path]:
        """Paths of the packages."""
        return [self.folder / package.name for package in self.packages]

    @property
    def row_lengths(self) -> list[int]:
        """Lengths of the packages' rows."""
        return self.options.lengths

    @property
    def systems(self) -> tuple[str, str]:
        """The oldest macOS and iOS that run the packages."""
        return SYSTEMS[self.options.target]

    def __str__(self) -> str:
        options = self.options
        parts: list[str | None] = [
            options.layout,
            options.precision,
            options.compress,
            options.target,
        ]
        parts += ["arrays"] if options.outputs == "arrays" else []
        parts += ["multifunction"] if options.multifunction else []
        parts += ["enumerated shapes"] if options.shapes == "enumerated" else []
        labels = ", ".join(self.labels)
        lines = [
            f"{self.source or 'model'} -> {self.folder}: {', '.join(p for p in parts if p)}",
            f"labels: {labels}"
            + (" (name them with `model_labels`)" if are_generic(self.labels) else ""),
        ]
        lines += [self.notice] if self.notice else []
        if self.rows_left_out:
            lines.append(f"left out: {self.rows_left_out:,} embedding rows that no token uses")
        lines += map(str, self.packages)
        if len(self.packages) > 1 and self.passed:
            lines += self._size_lines()
        if self.validation:
            lines.append(str(self.validation))
        lines += [self.next_steps] if self.next_steps else []
        ran = all(package.core_ml_ran for package in self.packages)
        lines.append(verdict(self.passed, ran))
        return "\n".join(lines)

    def _size_lines(self) -> list[str]:
        """Lines on the size that several packages add to an app, and on options that reduce it."""
        options = self.options
        functions = [] if options.target in MULTIFUNCTION_TARGETS else ["`target=iOS18`"]
        functions += ["`multifunction=True`"]
        functions += ["`outputs=arrays`"] if options.outputs == "classifier" else []
        once = [" ".join(functions)]
        if self.can_enumerate:
            once.insert(0, "`shapes=enumerated`")
        longest = max(options.lengths)
        less = [
            f"all lengths in one package ({', or '.join(once)})",
            f"one length (`lengths={longest}`)",
        ]
        less += [] if options.compress else ["8-bit weights (`compress=int8`)"]
        return [
            f"{len(self.packages)} packages, {self.bytes / 1e6:.1f} MB in an app: each contains all"
            " weights",
            f"  to reduce this: {'; '.join(less)}",
        ]
