"""From an MLX classifier to verified Core ML packages."""

import itertools
import shutil
from pathlib import Path

from mlx_finbert.atomic import written_beside
from mlx_finbert.convert.coreml.graph import build
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.network import FP16_MAX, too_large_for_fp16
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.package import convert, function_name, merge, write
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.report import ExportReport, PackageReport
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.side_files import (
    SIDE_FILES,
    size_of,
    write_app_files,
    write_export_json,
)
from mlx_finbert.convert.coreml.validation import validate
from mlx_finbert.convert.coreml.verification import Verifier
from mlx_finbert.convert.coreml.vocabulary import vocabulary_of
from mlx_finbert.data import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier
from mlx_finbert.tokenizer import Tokenizer

SUFFIX = ".mlpackage"


def export(
    model: Classifier,
    tokenizer: Tokenizer,
    path: Path,
    options: ExportOptions,
    source: str,
    rows: LabelledTexts | None,
) -> ExportReport:
    """See `mlx_finbert.convert.coreml.export`."""
    lengths = options.lengths_for(tokenizer.model_max_length, model.args.max_length)
    names = package_names(path, lengths, options)
    refuse_existing(path.parent, names, options)
    description = describe_export(model, tokenizer, options, lengths, source)
    verifier = Verifier(description.reference, tokenizer, description.vocabulary, options)
    with written_beside(path.parent) as part:
        write_app_files(part, description, tokenizer)
        write_packages(part, names, description)
        packages = {name: SavedPackage(part / name) for name in names}
        report = ExportReport(
            path.parent,
            description,
            [
                PackageReport(name, size_of(part / name), verifier.verify(packages[name], own))
                for name, own in names.items()
            ],
        )
        if rows is not None and report.passed:
            functions = {
                length: package.functions[function_name(length, options)]
                for (name, own), package in zip(names.items(), packages.values(), strict=True)
                for length in own
            }
            report.validation = validate(verifier, functions, rows)
        if report.passed:
            write_export_json(part, report)
        else:
            reject(part, report)
    return report


def package_names(path: Path, lengths: list[int], options: ExportOptions) -> dict[str, list[int]]:
    """The packages of an export and the lengths that each holds."""
    if path.suffix != SUFFIX:
        raise InputError(f"--output {path} does not end in {SUFFIX}, as Core ML's packages do")
    if options.multifunction:
        return {path.name: lengths}
    return {f"{path.stem}-{length}{SUFFIX}": [length] for length in lengths}


def refuse_existing(folder: Path, names: dict[str, list[int]], options: ExportOptions) -> None:
    """Nothing that is there is replaced unasked, the files beside the packages included."""
    for name in (*names, *SIDE_FILES):
        if (folder / name).exists() and not options.overwrite:
            raise InputError(
                f"--output: {folder / name} exists: choose another folder, or add --overwrite"
            )


def describe_export(
    model: Classifier,
    tokenizer: Tokenizer,
    options: ExportOptions,
    lengths: list[int],
    source: str,
) -> Description:
    """The model held to everything that an export needs of it.

    Raises:
        InputError: names the weight, the label or the size that does not fit.
    """
    reference = Reference(model, options.calibration == "on")
    if options.precision == "fp16" and (name := too_large_for_fp16(model)):
        raise InputError(
            f"the weight {name} has values beyond {FP16_MAX:.0f}, the largest number of fp16:"
            " add --precision fp32"
        )
    vocabulary = vocabulary_of(tokenizer, len(reference.network.word_embeddings))
    return Description(reference, vocabulary, options, lengths, source)


def write_packages(folder: Path, names: dict[str, list[int]], description: Description) -> None:
    """All packages of an export, not yet verified."""
    for name, lengths in names.items():
        if description.options.multifunction:
            write_merged(folder / name, lengths, description)
        else:
            write_package(folder / name, lengths[0], description)


def write_merged(path: Path, lengths: list[int], description: Description) -> None:
    """One package of all lengths."""
    parts = path.with_name(".parts")
    parts.mkdir()
    one_each = {length: parts / f"{length}{SUFFIX}" for length in lengths}
    for length, part in one_each.items():
        write_package(part, length, description)
    merge(one_each, path, lambda spec: description.annotate(spec, lengths))
    shutil.rmtree(parts)


def write_package(path: Path, length: int, description: Description) -> None:
    """The package of one length."""
    options, reference = description.options, description.reference
    program = build(reference.network, length, options)
    model = convert(program, options, reference.labels)
    write(model, path, lambda spec: description.annotate(spec, [length]))


def reject(part: Path, report: ExportReport) -> None:
    """Keep the packages aside under another name, next to earlier rejected ones."""
    for name in SIDE_FILES:
        (part / name).unlink(missing_ok=True)
    for package in report.packages:
        for i in itertools.count(1):
            aside = f"{package.name}.rejected" + (f"-{i}" if i > 1 else "")
            if not (report.folder / aside).exists():
                break
        (part / package.name).rename(part / aside)
        package.name = aside
