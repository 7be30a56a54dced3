"""The files beside the packages, for the app and for whoever asks how they were made."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlx_finbert.convert.coreml.figures import Figures
from mlx_finbert.convert.coreml.golden import write_golden
from mlx_finbert.convert.coreml.metadata import Description, program_options
from mlx_finbert.convert.coreml.report import ExportReport
from mlx_finbert.convert.coreml.tokenizer.files import CONFIG, WHOLE, tokenizer_files
from mlx_finbert.convert.coreml.vocabulary import BYTE_PAIR_FILES
from mlx_finbert.hashes import file_sha256
from mlx_finbert.tokenizer import Tokenizer

SIDE_FILES = (
    "vocab.txt", *BYTE_PAIR_FILES, WHOLE, CONFIG, "labels.json", "export.json", "golden.json",
)  # fmt: skip


def write_app_files(folder: Path, description: Description, tokenizer: Tokenizer) -> None:
    """Labels, the vocabulary's files, those of the whole tokenizer, and `golden.json`."""
    vocabulary, max_length = description.vocabulary, description.max_length
    files = description.app_files() | tokenizer_files(vocabulary, tokenizer, max_length)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    write_golden(folder, description, tokenizer)


def write_export_json(folder: Path, report: ExportReport) -> None:
    """What was exported, how, with which tools, and how far it is from the model."""
    beside = [folder / name for name in SIDE_FILES if (folder / name).is_file()]
    record = {
        "source": report.source,
        "source_sha256": report.source_sha256,
        "labels": report.labels,
        "temperature": report.temperature,
        "embedding_rows_left_out": report.rows_left_out,
        "options": program_options(report.options),
        "packages": {
            package.name: {
                "bytes": package.bytes,
                "sha256": _hashes(folder / package.name),
                "functions": [_figures(figures) for figures in package.functions],
            }
            for package in report.packages
        },
        "files": {file.name: file_sha256(file) for file in beside},
        "validation": report.validation and _rounded(asdict(report.validation)),
        "versions": {
            name: version(name) for name in ("mlx-finbert", "mlx", "coremltools", "numpy")
        },
    }
    text = json.dumps(record, indent=2) + "\n"
    (folder / "export.json").write_text(text, encoding="utf-8")


def _hashes(package: Path) -> dict[str, str]:
    files = sorted(file for file in package.rglob("*") if file.is_file())
    return {file.relative_to(package).as_posix(): file_sha256(file) for file in files}


def _figures(figures: Figures) -> dict[str, Any]:
    """Of a function that passed; what Core ML gave depends on the Mac."""
    values = _rounded(asdict(figures))
    return {name: value for name, value in values.items() if name not in ("faults", "core_ml")}


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Figures to three digits: what lies behind them differs between machines."""
    return {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in values.items()
    }
