"""Core ML packages of MLX classifiers, built without PyTorch and verified on any machine."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.data import LabelledTexts
from mlx_finbert.files.paths import local_path
from mlx_finbert.models import Classifier

if TYPE_CHECKING:
    from mlx_finbert.convert.coreml.report import ExportReport

__all__ = ["ExportOptions", "export"]


def export(
    model: Classifier,
    tokenizer: Tokenizer,
    path: str | Path,
    options: ExportOptions | None = None,
    *,
    source: str = "",
    rows: LabelledTexts | None = None,
) -> "ExportReport":
    """Write a classifier as Core ML packages, and verify each against the model.

    A step can take a minute for a large model; a note is logged at the start of each.

    Args:
        model, tokenizer: from `mlx_finbert.load`.
        path: `NAME.mlpackage`. One package for several lengths (functions or enumerated shapes) is
            written there, otherwise one per length: `NAME-32.mlpackage` and so on. The files of
            the tokenizer, `labels.json`, `golden.json` and `export.json` are written to its
            folder.
        options: lengths, layout, precision, compression and other options.
        source: the checkpoint's name in the metadata.
        rows: labelled texts, to measure what the export costs in accuracy.

    Returns:
        Figures of every package. If `passed` is False, the packages were renamed to `.rejected`
        and `path` was left unchanged.

    Raises:
        InputError: one sentence on what cannot be exported; nothing is written.
    """
    # coremltools takes a second to import.
    from mlx_finbert.convert.coreml import exporter

    path, options = local_path(path), options or ExportOptions()
    return exporter.export(model, tokenizer, path, options, source, rows)
