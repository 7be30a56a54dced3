"""Exports an MLX classifier to verified Core ML packages."""

import logging
import re
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from mlx_finbert.checkpoints.files import ADAPTER_CONFIG
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.golden import write_golden
from mlx_finbert.convert.coreml.graph import build
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.network import FP16_MAX, too_large_for_fp16
from mlx_finbert.convert.coreml.options import CompleteOptions, ExportOptions
from mlx_finbert.convert.coreml.package import convert, merge, write
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.report import ExportReport
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.side_files import (
    SIDE_FILES,
    set_aside,
    write_app_files,
    write_export_json,
)
from mlx_finbert.convert.coreml.temporary_files import temporary_files_in
from mlx_finbert.convert.coreml.validation import validate
from mlx_finbert.convert.coreml.verification import Verifier
from mlx_finbert.convert.coreml.vocabulary import (
    BYTE_PAIR_FILES,
    require_own_padding,
    vocabulary_of,
)
from mlx_finbert.data import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.folder_lock import claimed
from mlx_finbert.files.paths import require_room
from mlx_finbert.files.space import require_space
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import named_parameters

log = logging.getLogger(__name__)

SUFFIX = ".mlpackage"

BYTES = {"fp32": 4, "fp16": 2, "int8": 1, "palette6": 0.75, "palette4": 0.5}
"""The size of a weight, by precision or compression."""

Lengths = list[int]


def export(
    model: Classifier,
    tokenizer: Tokenizer,
    path: Path,
    options: ExportOptions,
    source: str,
    rows: LabelledTexts | None,
) -> ExportReport:
    """Export a classifier; see `mlx_finbert.convert.coreml.export`."""
    lengths = options.lengths_for(tokenizer.model_max_length, model.args.max_length)
    description = describe_export(model, tokenizer, options, lengths, source)
    names = package_names(path, lengths, description.options)
    with claimed(path.parent, "choose another folder for `output`") as folder:
        # An export that was killed among its moves is only now complete: nobody has seen it.
        unseen = finish(folder)
        refuse_existing(path, names, description, unseen)
        if rows is not None:
            # Refuse unknown labels now, not after minutes of work.
            rows.ids_in(model.args.labels)
        needed = size_of_export(description, names)
        require_space(folder, needed, "output", "the packages")
        with replacing(folder) as part, temporary_files_in(part, needed):
            write_app_files(part, description, tokenizer)
            for name, own in names.items():
                log.info(f"building {name}")
                write_package(part / name, replace(description, lengths=own))
            log.info("verifying")
            report = verified(part, names, description, tokenizer, rows)
            report.folder = folder
            if report.passed:
                write_golden(part, description, tokenizer, report.golden_error)
                write_export_json(part, report)
            else:
                reject(part, report)
    return report


def verified(
    folder: Path,
    names: dict[str, Lengths],
    description: Description,
    tokenizer: Tokenizer,
    rows: LabelledTexts | None,
) -> ExportReport:
    """Read the packages of a folder back and verify them against the model."""
    verifier = Verifier(description, tokenizer)
    packages = {name: SavedPackage(folder / name) for name in names}
    reports = [verifier.verify(packages[name], own) for name, own in names.items()]
    reports[0].faults += verifier.tokenizer_check.file_faults(folder, description.max_length)
    report = ExportReport.of(folder, description, reports)
    if rows is not None and report.passed:
        functions = {
            length: function
            for name, own in names.items()
            for length in own
            if (function := packages[name].function(length))
        }
        report.validation = validate(verifier, functions, rows)
    return report


def package_names(path: Path, lengths: Lengths, options: CompleteOptions) -> dict[str, Lengths]:
    """The names of an export's packages, with the lengths of each.

    A package with a fixed shape for one length has it in its name: `NAME-32.mlpackage`.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"`output={path}` must end in {SUFFIX}: give NAME{SUFFIX}")
    require_room(path, "output", len("-512.rejected-99"))
    if options.multifunction or options.shapes == "enumerated":
        return {path.name: lengths}
    return {f"{path.stem}-{length}{SUFFIX}": [length] for length in lengths}


def refuse_existing(
    path: Path,
    names: dict[str, Lengths],
    description: Description,
    unseen: Collection[str] = (),
) -> None:
    """Refuse to replace files without --overwrite, or to mix packages of two exports.

    Args:
        path: the value of `output`.
        names: the packages to write.
        description: the export.
        unseen: names of files that may be replaced in any case.
    """
    folder = path.parent
    if any((folder / name).exists() for name in ("config.json", ADAPTER_CONFIG)):
        raise InputError(f"`output`: {folder} holds a model: choose another folder")
    for name in (*names, *SIDE_FILES):
        may = description.options.overwrite or name in unseen
        if (folder / name).exists() and not may:
            raise InputError(
                f"`output`: {folder / name} exists: choose another folder, or add `overwrite=True`"
            )
    earlier = re.compile(re.escape(path.stem) + r"(-\d+)?" + re.escape(SUFFIX))
    kept = sorted(folder.glob("*.aimodel"))
    kept += [p for p in folder.glob(f"*{SUFFIX}") if earlier.fullmatch(p.name)]
    own_files = description.vocabulary.files
    kept += [folder / n for n in BYTE_PAIR_FILES if n not in own_files and (folder / n).exists()]
    for found in kept:
        if found.name not in names:
            raise InputError(
                f"`output`: {found} is from an earlier export, which this one does not replace:"
                " remove it, or choose another folder"
            )


def describe_export(
    model: Classifier,
    tokenizer: Tokenizer,
    options: ExportOptions,
    lengths: Lengths,
    source: str,
) -> Description:
    """Check all that an export needs of a model, and describe the export.

    Raises:
        InputError: names the weight, the label or the size that cannot be exported.
    """
    complete = options.with_defaults(lengths)
    masked = tokenizer.pad_token_id if options.shapes == "enumerated" else None
    reference = Reference(model, masked)
    if options.precision == "fp16" and (what := too_large_for_fp16(model, reference.network)):
        raise InputError(
            f"{what} has values beyond {FP16_MAX:.0f}, the largest number in fp16:"
            " add `precision=fp32`"
        )
    embedding = reference.network.word_embeddings
    vocabulary = vocabulary_of(tokenizer, len(embedding))
    if options.shapes == "enumerated":
        require_own_padding(vocabulary)
    # Rows without a token are not exported.
    reference.network.word_embeddings = embedding[: len(vocabulary.tokens)]
    rows_left_out = len(embedding) - len(vocabulary.tokens)
    max_length = min(tokenizer.model_max_length, model.args.max_length)
    return Description(reference, vocabulary, complete, lengths, max_length, source, rows_left_out)


def size_of_export(description: Description, names: dict[str, Lengths]) -> int:
    """The bytes of the weights of all packages, and of coremltools' temporary copy of one."""
    options = description.options
    weights = sum(value.size for value in named_parameters(description.reference.model).values())
    each = BYTES[options.compress or options.precision]
    # Functions are written one by one before they are merged.
    copies = len(description.lengths) + 2 if options.multifunction else len(names) + 1
    return round(weights * each * copies)


def write_package(path: Path, description: Description) -> None:
    """Write a package of one program, or of several as functions; it is not verified here."""
    if not description.options.multifunction:
        # There is one length, or all lengths are shapes of one input.
        write_program(path, description.lengths[-1], description)
        return
    parts = path.with_name(".parts")
    parts.mkdir()
    one_each = {length: parts / f"{length}{SUFFIX}" for length in description.lengths}
    for length, part in one_each.items():
        write_program(part, length, description)
    merge(one_each, path, description.annotate)
    shutil.rmtree(parts)


def write_program(path: Path, length: int, description: Description) -> None:
    """Write the package of one program for a length, or up to it if shapes are enumerated."""
    options, reference = description.options, description.reference
    program = build(reference.network, length, options)
    write(convert(program, options, reference.labels), path, description.annotate)


def reject(part: Path, report: ExportReport) -> None:
    """Rename the packages to `.rejected`, next to earlier rejected ones."""
    for name in SIDE_FILES:
        (part / name).unlink(missing_ok=True)
    for package in report.packages:
        package.name = set_aside(part, package.name, report.folder)
