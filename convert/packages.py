"""Implementation of the commands on Core ML packages, from settings to a report."""

from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.checkpoints.load import require_plain
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.convert.coreml import export
from mlx_finbert.convert.coreml.exporter import describe_export
from mlx_finbert.convert.coreml.figures import PackageReport, verdict
from mlx_finbert.convert.coreml.metadata import PREFIX
from mlx_finbert.convert.coreml.options import PROGRAM_OPTIONS, SHORTEST, CompleteOptions
from mlx_finbert.convert.coreml.report import ExportReport
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.side_files import (
    irregular_files,
    missing_side_files,
    record_faults,
)
from mlx_finbert.convert.coreml.swift_package import SwiftPackage
from mlx_finbert.convert.coreml.verification import Verifier
from mlx_finbert.convert.settings import ToCoremlSettings, VerifySettings
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.sources import load_texts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.measured_rows import RowsWanted, load_rows
from mlx_finbert.files.folder_commit import finish
from mlx_finbert.files.json_text import parse_json
from mlx_finbert.files.paths import local_path


def export_model(settings: ToCoremlSettings, texts: LabelledTexts | None = None) -> ExportReport:
    """Load a model, export it and verify the packages.

    Args:
        settings: the settings.
        texts: the texts of `settings.validate`; loaded if not given.

    Raises:
        InputError: if the model, the data or the output cannot be used.
    """
    package = SwiftPackage.checked(settings.swift_package, settings.output, settings.overwrite)
    if settings.validate is None:
        (model, tokenizer), rows = settings.load_model(), None
    else:
        model, tokenizer, run = settings.load_with_run()
        rows = validation_rows(settings.validate, settings, run, texts)
    require_plain(model, settings.model)
    # Only the folder's name: a shipped file must not contain paths of this machine.
    source = local_path(settings.model)
    name = source.resolve().name if source.is_dir() else settings.model
    report = export(model, tokenizer, settings.output, settings, source=name, rows=rows)
    if package and report.passed:
        package.write(report)
    return report


def validation_rows(
    data: str, settings: ToCoremlSettings, run: TrainingRun, texts: LabelledTexts | None = None
) -> LabelledTexts:
    """Load the rows of this data that `evaluate` would measure, or a sample of them."""
    wanted = RowsWanted(
        data,
        include_seen=settings.include_seen,
        most=settings.validate_rows,
        data_name="validate",
        most_name="validate_rows",
        split_name=None,
    )
    return load_rows(lambda: texts or load_texts(data, settings.columns()), wanted, run).rows


@dataclass
class VerifyReport:
    """The outcome of a verification."""

    package: PackageReport
    missing: list[str]
    """Files that an export writes next to its packages and that are missing."""

    @property
    def passed(self) -> bool:
        return self.package.passed

    def __str__(self) -> str:
        lines = [str(self.package)]
        if self.missing:
            lines.append(f"missing next to the package, so not checked: {', '.join(self.missing)}")
        return "\n".join([*lines, verdict(self.passed, self.package.core_ml_ran)])


def verify_package(settings: VerifySettings) -> VerifyReport:
    """Compare a package with the model that it was made from.

    Raises:
        InputError: if the model or the package cannot be read.
    """
    path = local_path(settings.package)
    if path.parent.is_dir():
        finish(path.parent)
    package = SavedPackage(path)
    options = options_of(package)
    model, tokenizer = settings.load_model()
    require_plain(model, settings.model)
    lengths = require_lengths(package.path, options.lengths, model.args.max_length)
    # From the package's own metadata, only its options are trusted.
    description = describe_export(model, tokenizer, options, lengths, source="")
    verifier = Verifier(description, tokenizer)
    report = verifier.verify(package, lengths)
    folder = package.path.parent
    report.faults += irregular_files(folder) or [
        *verifier.tokenizer_check.file_faults(folder, description.max_length),
        *record_faults(package, description, tokenizer, report.golden_error),
    ]
    return VerifyReport(report, missing_side_files(folder, description))


def require_lengths(path: Path, lengths: list[int], most: int) -> list[int]:
    """Refuse a package for other rows than its model takes.

    Args:
        path: the package.
        lengths: those in its metadata.
        most: number of positions of the model.
    """
    if not lengths or not all(SHORTEST <= length <= most for length in lengths):
        raise InputError(
            f"{path} is for {', '.join(map(str, lengths))} tokens, but the model takes from"
            f" {SHORTEST} to {most}: give the model that it was made from"
        )
    return sorted(lengths)


def options_of(package: SavedPackage) -> CompleteOptions:
    """Read the options of a package's export from its metadata.

    Raises:
        InputError: if the metadata lack the options, or these are invalid.
    """
    try:
        told = parse_json(package.metadata[f"{PREFIX}options"])
        lengths = parse_json(package.metadata[f"{PREFIX}lengths"])
    except (KeyError, ValueError):
        told, lengths = None, None
    if not isinstance(told, dict) or set(told) != set(PROGRAM_OPTIONS) or lengths is None:
        raise InputError(
            f"{package.path} does not record how it was made, as exports of this version do: export"
            " it again with python -m mlx_finbert.convert.to_coreml"
        )
    try:
        return CompleteOptions(**told, lengths=lengths)
    except InputError as error:
        raise InputError(
            f"{package.path} has invalid options in its metadata ({error}): export it again"
        ) from None
