"""Cross-validation: one run per fold, each in its own subfolder, and a summary."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import Splits
from mlx_finbert.data.folds import make_folds
from mlx_finbert.distributed import ranks
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import write_text
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.cross_validation import CrossValidation, cross_validate
from mlx_finbert.training.output_dir import SUMMARY, claimed_folder
from mlx_finbert.training.prepare import Say
from mlx_finbert.training.run import rows_of, run


def run_folds(settings: TrainSettings, say: Say = print) -> CrossValidation:
    """Train one model per fold and combine the predictions for all rows.

    Each fold's run is in its own subfolder, and `--fold I` repeats it. The probabilities are
    calibrated, those of each model on its own validation rows.

    Raises:
        InputError: for data that cannot be split into the folds, an output folder that already
            holds a cross-validation, or a fold whose run does not finish.
        KeyboardInterrupt: if Ctrl-C ended a fold's run.
    """
    if not (folds := settings.folds):
        raise InputError("--folds is missing: give the number of folds")
    if ranks().size() > 1:
        raise InputError(
            "--folds needs a single process: with several, run --fold 1, --fold 2, ... instead"
        )
    texts = settings.load_texts()
    drawn = make_folds(texts, folds, settings.split_seed, settings.validation_fraction)
    base = TrainingRun.of(settings.model, settings.revision)
    splits = [rows_of(settings, parts, base) for parts in drawn]
    for fold, parts in enumerate(splits, 1):
        if parts.test is None:
            raise InputError(
                f"{settings.model} was trained on all test rows of fold {fold}: start from another"
                " model, or add --include-seen"
            )
    with claimed_folder(settings) as folder:
        if settings.overwrite:
            remove_earlier(folder, folds)
        labels: list[str] = []

        def train_one(fold: int, parts: Splits) -> tuple[np.ndarray, np.ndarray]:
            own = replace(settings, fold=fold + 1, output_dir=str(folder / fold_name(fold + 1)))
            result = run(own, say, parts)
            if result.end == "interrupted":
                say(f"fold {fold + 1} of {folds} was interrupted: no summary written")
                raise KeyboardInterrupt
            predictions = result.predictions
            if result.end not in ("finished", "stopped early") or predictions is None:
                raise InputError(f"fold {fold + 1} of {folds} {result.end}: no summary written")
            labels[:] = result.labels
            return predictions.logits / result.temperature, predictions.label_ids

        validation = cross_validate(splits, train_one)
        for remark in validation.pooled.remarks(labels):
            say(remark)
        write_summary(folder, validation, labels)
    say(f"the folds and {SUMMARY} are in {folder}")
    return validation


def fold_name(number: int) -> str:
    """The name of a fold's folder; folds are counted from 1."""
    return f"fold-{number:02d}"


def remove_earlier(folder: Path, folds: int) -> None:
    """Remove an earlier summary, and folds that this cross-validation does not replace.

    The summary goes first, so that it is never left next to folds of another run.
    """
    (folder / SUMMARY).unlink(missing_ok=True)
    own = {fold_name(number) for number in range(1, folds + 1)}
    for path in folder.glob("fold-[0-9]*"):
        if path.name not in own:
            shutil.rmtree(path)


def write_summary(folder: Path, validation: CrossValidation, labels: list[str]) -> None:
    """Write the summary as JSON."""
    text = json.dumps(validation.to_dict(labels), indent=2, allow_nan=False)
    write_text(folder / SUMMARY, text + "\n")
