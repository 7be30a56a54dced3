"""Cross-validation: a run a fold, each in a folder of its own, and a summary beside them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlx_finbert.atomic import write_text
from mlx_finbert.cross_validation import CrossValidation, cross_validate
from mlx_finbert.data import Splits
from mlx_finbert.data.folds import make_folds
from mlx_finbert.errors import InputError
from mlx_finbert.ranks import ranks
from mlx_finbert.training.output import claim_folder
from mlx_finbert.training.prepare import Say
from mlx_finbert.training.run import rows_of, run
from mlx_finbert.training.settings import TrainSettings
from mlx_finbert.training_run import TrainingRun

SUMMARY = "cross_validation.json"


def run_folds(settings: TrainSettings, say: Say = print) -> CrossValidation:
    """Train one model a fold and put the predictions for all rows together.

    Each fold's run lies in its own subfolder, and `--fold I` repeats it; the probabilities are
    calibrated, each model's on its own validation rows.

    Raises:
        InputError: for data that cannot be split so, an output folder that holds a
            cross-validation already, or a fold whose run does not reach its end.
    """
    if ranks().size() > 1:
        raise InputError("--folds runs in one process: start --fold 1, --fold 2, ... with several")
    texts = settings.load_texts()
    drawn = make_folds(texts, settings.folds, settings.split_seed, settings.validation_fraction)
    base = TrainingRun.of(settings.model, settings.revision)
    splits = [rows_of(settings, parts, base) for parts in drawn]
    for fold, parts in enumerate(splits, 1):
        if parts.test is None:
            raise InputError(
                f"{settings.model} was trained on all test rows of fold {fold}: start from a model"
                " that was not, or add --include-seen"
            )
    folder = claim_folder(settings)
    if (folder / SUMMARY).exists() and not settings.overwrite:
        raise InputError(
            f"--output-dir {folder} holds {SUMMARY} already: name another folder, or add"
            " --overwrite"
        )
    labels: list[str] = []

    def train_one(fold: int, parts: Splits) -> tuple[np.ndarray, np.ndarray]:
        own = replace(settings, fold=fold + 1, output_dir=str(folder / f"fold-{fold + 1:02d}"))
        result = run(own, say, parts)
        if result.end not in ("finished", "stopped early"):
            raise InputError(f"fold {fold + 1} of {settings.folds} was {result.end}: no summary")
        labels[:] = result.labels
        return result.predictions.logits / result.temperature, result.predictions.labels

    validation = cross_validate(splits, train_one)
    write_summary(folder, validation, labels)
    say(f"the folds and {SUMMARY} are in {folder}")
    return validation


def write_summary(folder: Path, validation: CrossValidation, labels: list[str]) -> None:
    """The figures as JSON."""
    text = json.dumps(validation.to_dict(labels), indent=2)
    write_text(folder / SUMMARY, text + "\n")
