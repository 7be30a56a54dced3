"""What the commands do: from their settings to a report."""

import json
from pathlib import Path

import numpy as np

from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.metadata import PREFIX
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.report import ExportReport, VerifyReport
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.verification import Verifier
from mlx_finbert.convert.coreml.vocabulary import vocabulary_of
from mlx_finbert.convert.settings import ToCoremlSettings, VerifySettings
from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.sources import load_texts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation import split_options


def export_model(settings: ToCoremlSettings) -> ExportReport:
    """Load, export, verify.

    Raises:
        InputError: for a model, data or an output that cannot be used.
    """
    model, tokenizer = settings.load_model()
    rows = validation_rows(settings) if settings.validate else None
    # The folder's name alone: a path of this machine has no place in a file that is shipped.
    source = Path(settings.model).expanduser()
    name = source.resolve().name if source.is_dir() else settings.model
    return export(model, tokenizer, settings.output, settings, source=name, rows=rows)


def validation_rows(settings: ToCoremlSettings) -> LabelledTexts:
    """Test rows, those of the model's own training run, spread evenly where there are many."""
    texts = load_texts(settings.validate, settings.columns())
    test = make_splits(texts, **split_options(settings.model)).part("test")
    if len(test) <= settings.validate_rows:
        return test
    chosen = np.linspace(0, len(test) - 1, settings.validate_rows).round().astype(int)
    return test.take(chosen, test.name)


def verify_package(settings: VerifySettings) -> VerifyReport:
    """Hold a package against the model that it says it was made of.

    Raises:
        InputError: for a model or a package that cannot be read.
    """
    path = Path(settings.package).expanduser()
    package = SavedPackage(path)
    options = options_of(package)
    model, tokenizer = settings.load_model()
    reference = Reference(model, options.calibration == "on")
    vocabulary = vocabulary_of(tokenizer, len(reference.network.word_embeddings))
    verifier = Verifier(reference, tokenizer, vocabulary, options)
    return VerifyReport(options, verifier.verify(package, options.lengths))


def options_of(package: SavedPackage) -> ExportOptions:
    """How a package was exported, by its own account."""
    metadata = package.metadata
    try:
        form = json.loads(metadata[f"{PREFIX}form"])
        return ExportOptions(**form, lengths=json.loads(metadata[f"{PREFIX}lengths"]))
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{package.path} has no metadata of mlx-finbert: export it with"
            " python -m mlx_finbert.convert.to_coreml"
        ) from None
