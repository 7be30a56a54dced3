"""Core AI assets of MLX classifiers, built without PyTorch and verified in Apple's runtime."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreai.options import AssetOptions
from mlx_finbert.files.paths import local_path
from mlx_finbert.models import Classifier

if TYPE_CHECKING:
    from mlx_finbert.convert.coreai.figures import AssetReport

__all__ = ["AssetOptions", "export"]


def export(
    model: Classifier,
    tokenizer: Tokenizer,
    path: str | Path,
    options: AssetOptions | None = None,
    *,
    source: str = "",
) -> "AssetReport":
    """Write a classifier as a Core AI asset, and verify it against the model.

    In half precision one row runs on Linux for seconds to minutes; a note is logged before.

    Args:
        model, tokenizer: from `mlx_finbert.load`.
        path: `NAME.aimodel`. All lengths are functions of it, which share their weights. The files
            of the tokenizer, `labels.json`, `golden.json` and `export.json` are written to its
            folder.
        options: lengths, precision, compression and other options.
        source: the checkpoint's name in the metadata.

    Returns:
        Figures of the asset. If `passed` is False, it was renamed to `.rejected` and `path` was
        left unchanged.

    Raises:
        InputError: one sentence on what cannot be exported; nothing is written.
    """
    # coremltools, which the description of the tokenizer needs, takes a second to import.
    from mlx_finbert.convert.coreai import exporter

    path, options = local_path(path), options or AssetOptions()
    return exporter.export(model, tokenizer, path, options, source)
