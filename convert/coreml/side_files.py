"""The files next to the packages: for the app, and a record of the export."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.figures import Figures
from mlx_finbert.convert.coreml.golden import DAMAGED, golden_faults
from mlx_finbert.convert.coreml.golden import NAME as GOLDEN
from mlx_finbert.convert.coreml.metadata import Description, program_options
from mlx_finbert.convert.coreml.report import ExportReport
from mlx_finbert.convert.coreml.tokenizer.files import CONFIG, WHOLE, tokenizer_files
from mlx_finbert.convert.coreml.validation import Validation
from mlx_finbert.convert.coreml.vocabulary import BYTE_PAIR_FILES
from mlx_finbert.errors import shown
from mlx_finbert.files.atomic import file_sha256
from mlx_finbert.files.json_text import read_json

EXPORT = "export.json"
SIDE_FILES = ("vocab.txt", *BYTE_PAIR_FILES, WHOLE, CONFIG, "labels.json", EXPORT, GOLDEN)


class Exported(Protocol):
    """A package or an asset on disk."""

    path: Path

    @property
    def bytes(self) -> int: ...


def write_app_files(folder: Path, description: Description, tokenizer: Tokenizer) -> None:
    """Write the labels, the vocabulary's files and the tokenizer's files."""
    vocabulary, max_length = description.vocabulary, description.max_length
    files = description.app_files() | tokenizer_files(vocabulary, tokenizer, max_length)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def set_aside(part: Path, name: str, folder: Path) -> str:
    """Rename a rejected export to a name that is free in the folder it goes to; return the name."""
    aside = f"{name}.rejected"
    for i in itertools.count(2):
        if not (folder / aside).exists():
            break
        aside = f"{name}.rejected-{i}"
    (part / name).rename(part / aside)
    return aside


def write_export_json(folder: Path, report: ExportReport) -> None:
    """Write export.json: what was exported, how, with which tools, and its errors."""
    record = {
        "source": report.source,
        "source_sha256": report.source_sha256,
        "labels": report.labels,
        "embedding_rows_left_out": report.rows_left_out,
        "options": program_options(report.options),
        "bytes": report.bytes,
        "packages": {
            package.name: {
                "bytes": package.bytes,
                "sha256": package_hashes(folder / package.name),
                "functions": [_figures(figures) for figures in package.functions],
            }
            for package in report.packages
        },
        "files": file_hashes(folder),
        "validation": report.validation and rounded(validation_figures(report.validation)),
        "versions": versions("mlx-finbert", "mlx", "coremltools", "numpy"),
    }
    write_record(folder, record)


def file_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file next to the packages."""
    files = [folder / name for name in SIDE_FILES if (folder / name).is_file()]
    return {file.name: file_sha256(file) for file in files}


def versions(*names: str) -> dict[str, str]:
    """The versions of installed packages."""
    return {name: version(name) for name in names}


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write export.json."""
    text = json.dumps(record, indent=2) + "\n"
    (folder / EXPORT).write_text(text, encoding="utf-8")


def validation_figures(validation: Validation) -> dict[str, Any]:
    """The figures of a validation without its notes, which name folders of this machine."""
    return {name: value for name, value in asdict(validation).items() if name != "notes"}


def record_faults(
    package: Exported, description: Description, tokenizer: Tokenizer, largest_error: float
) -> Iterator[str]:
    """Find faults of golden.json and export.json, if they are next to a package.

    Args:
        package: a verified package.
        description: the package's description.
        tokenizer: the model's tokenizer.
        largest_error: the package's largest error of a probability in the verification.
    """
    golden, export = (package.path.parent / name for name in (GOLDEN, EXPORT))
    if golden.is_file():
        yield from golden_faults(golden, description, tokenizer, largest_error)
    if export.is_file():
        yield from _export_json_faults(export, package, description)


def irregular_files(folder: Path) -> list[str]:
    """Faults for files that are not regular files: reading a FIFO would never end."""
    files = [folder / name for name in SIDE_FILES]
    return [
        f"{file.name} next to the package is not a regular file"
        for file in files
        if file.exists() and not file.is_file()
    ]


def missing_side_files(folder: Path, description: Description) -> list[str]:
    """Names of the files that an export writes next to such a package and a folder lacks."""
    wanted = (*description.app_files(), WHOLE, CONFIG, GOLDEN, EXPORT)
    return [name for name in wanted if not (folder / name).exists()]


def _export_json_faults(file: Path, package: Exported, description: Description) -> Iterator[str]:
    try:
        told = read_json(file)
        for fault in _record_faults(told, file.parent, package, description):
            yield f"{EXPORT} next to the package is from another export: {fault}"
    except DAMAGED as error:
        yield f"{EXPORT} next to the package cannot be read: {error!r}"


def _record_faults(
    told: dict[str, Any], folder: Path, package: Exported, description: Description
) -> Iterator[str]:
    for key, right in _facts(description).items():
        if told[key] != right:
            yield f"its entry {key} is {shown(told[key])}, not {right}"
    entry = told["packages"].get(package.path.name)
    if entry is None:
        yield f"it does not list {package.path.name}"
        return
    hashes, listed = package_hashes(package.path), dict(entry["sha256"])
    for name in sorted(hashes.keys() | listed.keys()):
        if hashes.get(name) != listed.get(name):
            yield f"{name} of the package does not match its SHA-256"
    if entry["bytes"] != package.bytes:
        yield f"the package has {package.bytes:,} bytes, not {shown(entry['bytes'])}"
    for name, digest in told["files"].items():
        # An app may need fewer files, so a missing file is not a fault.
        if (folder / name).is_file() and file_sha256(folder / name) != digest:
            yield f"{name} does not match its SHA-256"


def _facts(description: Description) -> dict[str, Any]:
    """The entries of export.json about the model and the options."""
    return {
        "source_sha256": description.reference.sha256,
        "labels": description.reference.labels,
        "options": description.program(),
    }


def package_hashes(package: Path) -> dict[str, str]:
    """The SHA-256 of each file of a package."""
    files = sorted(file for file in package.rglob("*") if file.is_file())
    return {file.relative_to(package).as_posix(): file_sha256(file) for file in files}


def _figures(figures: Figures) -> dict[str, Any]:
    """The figures of a function that passed, without Core ML's, which depend on the Mac."""
    values = rounded(asdict(figures))
    left_out = "faults", "core_ml", "core_ml_ran"
    return {name: value for name, value in values.items() if name not in left_out}


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Round figures to three digits; further digits differ between machines."""
    return {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in values.items()
    }
