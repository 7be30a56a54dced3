"""Cross-validation: one training run per fold, each in its own subfolder, and a summary.

Two kinds of figures answer two questions. The FinBERT papers print mean and standard deviation over
the folds. The pooled figures cover all rows, each predicted by the one model that was not trained
on it. No unbiased estimate of the variance of the mean exists (Bengio and Grandvalet 2004), since
any two folds share most of their training rows. The standard deviation shows how much the folds
differ; the intervals show how much the result depends on the sample of test rows.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import Splits
from mlx_finbert.data.folds import make_folds
from mlx_finbert.distributed import ranks
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.metrics import Metrics, bootstrap_intervals, measure, plain
from mlx_finbert.evaluation.text import figure_lines
from mlx_finbert.files.atomic import write_text
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.output_dir import SUMMARY, claimed_folder
from mlx_finbert.training.run import rows_of, run

log = logging.getLogger(__name__)

FIGURES = ("loss", "accuracy", "macro_f1")

TrainOne = Callable[[int, Splits], tuple[np.ndarray, np.ndarray]]
"""Takes the fold's number, from 0, and its parts. Returns the logits of its test rows, float32
(N_test, num_labels), and their labels, int (N_test,), in the order of the logits."""


@dataclass
class CrossValidation:
    """Predictions for N rows, each by the model of the fold in which it is a test row."""

    logits: np.ndarray
    """float32 (N, num_labels)."""
    label_ids: np.ndarray
    """int (N,), in the order of the logits."""
    rows: np.ndarray
    """int64 (N,): row numbers in the source, from 0, ascending."""
    fold_of_row: np.ndarray
    """int64 (N,): the fold of each row, from 0."""

    @cached_property
    def folds(self) -> list[Metrics]:
        """The metrics of each fold's test rows."""
        of = [self.fold_of_row == fold for fold in range(self.fold_of_row.max() + 1)]
        return [measure(self.logits[rows], self.label_ids[rows]) for rows in of]

    @cached_property
    def pooled(self) -> Metrics:
        """The metrics of all rows together."""
        return measure(self.logits, self.label_ids)

    @cached_property
    def intervals(self) -> dict[str, np.ndarray]:
        """95% intervals of the pooled figures; see `bootstrap_intervals`."""
        return bootstrap_intervals(self.pooled)

    def to_dict(self, label_names: list[str]) -> dict[str, Any]:
        """Convert to values that JSON can hold; undefined figures become None.

        Args:
            label_names: in the order of the logits.
        """
        intervals = {name: plain(bounds) for name, bounds in self.intervals.items()}
        return {
            **spread(self.folds),
            "folds": [fold.to_dict(label_names) for fold in self.folds],
            "pooled": self.pooled.to_dict(label_names) | {"intervals_95": intervals},
        }

    def __str__(self) -> str:
        lines = [_line("fold", "rows", FIGURES)]
        for number, fold in enumerate(self.folds, 1):
            cells = (f"{value:.4f}" for value in _figures(fold))
            lines.append(_line(str(number), f"{len(fold.losses):,}", cells))
        for name, figures in spread(self.folds).items():
            lines.append(_line(name, "", (f"{value:.4f}" for value in figures.values())))
        return "\n".join([*lines, "", *self._pooled_lines()])

    def _pooled_lines(self) -> Iterator[str]:
        yield f"all {len(self.rows):,} test rows together"
        yield ""
        yield from figure_lines(self.pooled, self.intervals, FIGURES)


def cross_validate(splits: list[Splits], train_one: TrainOne) -> CrossValidation:
    """Train on each fold and gather the predictions for its test rows.

    Args:
        splits: the folds, from `make_folds`.
        train_one: trains a new model on the parts of one fold.
    """
    found = [predictions(fold, parts, train_one) for fold, parts in enumerate(splits)]
    logits, label_ids, fold_of_row = (np.concatenate(part) for part in zip(*found, strict=True))
    rows = np.concatenate([parts.test_rows for parts in splits])
    order = np.argsort(rows)
    return CrossValidation(logits[order], label_ids[order], rows[order], fold_of_row[order])


def predictions(
    fold: int, parts: Splits, train_one: TrainOne
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A fold's logits and labels, and its number repeated for each test row."""
    logits, label_ids = train_one(fold, parts)
    wanted = len(parts.test_rows)
    if not len(logits) == len(label_ids) == wanted:
        raise ValueError(
            f"fold {fold}: {len(logits)} rows of logits and {len(label_ids)} labels for {wanted}"
            " test rows"
        )
    return logits, label_ids, np.full(wanted, fold)


def spread(runs: list[Metrics]) -> dict[str, dict[str, float]]:
    """Mean and sample standard deviation (n - 1) of loss, accuracy and macro-F1.

    Args:
        runs: the metrics of at least two runs, for example with different folds or seeds.
    """
    values = np.array([_figures(run) for run in runs])
    spreads = {"mean": values.mean(axis=0), "std": values.std(axis=0, ddof=1)}
    return {
        name: dict(zip(FIGURES, figures.tolist(), strict=True)) for name, figures in spreads.items()
    }


def _figures(run: Metrics) -> list[float]:
    return [getattr(run, name) for name in FIGURES]


def _line(first: str, rows: str, figures: Iterable[str]) -> str:
    return f"{first:<7}{rows:<8}" + "".join(f"{figure:<10}" for figure in figures).rstrip()


def run_folds(settings: TrainSettings) -> CrossValidation:
    """Train one model per fold and combine the predictions for all rows.

    Each fold's run is in its own subfolder, and `--fold I` repeats it. The probabilities are
    calibrated, those of each model on its own validation rows.

    Raises:
        InputError: for data that cannot be split into the folds, an output folder that already
            holds a cross-validation, or a fold whose run does not finish.
        KeyboardInterrupt: if Ctrl-C ended a fold's run.
    """
    folds, splits = splits_of_folds(settings)
    with claimed_folder(settings) as folder:
        if settings.overwrite:
            remove_earlier(folder, folds)
        labels: list[str] = []

        def train_one(fold: int, parts: Splits) -> tuple[np.ndarray, np.ndarray]:
            own = replace(settings, fold=fold + 1, output_dir=str(folder / fold_name(fold + 1)))
            result = run(own, parts)
            if result.end == "interrupted":
                log.info(f"fold {fold + 1} of {folds} was interrupted: no summary written")
                raise KeyboardInterrupt
            predictions = result.predictions
            if result.end not in ("finished", "stopped early") or predictions is None:
                raise InputError(f"fold {fold + 1} of {folds} {result.end}: no summary written")
            labels[:] = result.labels
            return predictions.logits / result.temperature, predictions.label_ids

        validation = cross_validate(splits, train_one)
        for remark in validation.pooled.remarks(labels):
            log.info(remark)
        summary = json.dumps(validation.to_dict(labels), indent=2, allow_nan=False)
        write_text(folder / SUMMARY, summary + "\n")
    log.info(f"the folds and {SUMMARY} are in {folder}")
    return validation


def splits_of_folds(settings: TrainSettings) -> tuple[int, list[Splits]]:
    """The number of folds and the rows of each.

    Raises:
        InputError: see `run_folds`.
    """
    if not (folds := settings.folds):
        raise InputError("`folds` is missing: give the number of folds")
    if ranks().size() > 1:
        raise InputError(
            "`folds` needs a single process: with several, run `fold=1`, `fold=2`, ... instead"
        )
    texts = settings.load_texts()
    drawn = make_folds(texts, folds, settings.split_seed, settings.validation_fraction)
    base = TrainingRun.of(settings.model, settings.revision)
    splits = [rows_of(settings, parts, base) for parts in drawn]
    for fold, parts in enumerate(splits, 1):
        if parts.test is None:
            raise InputError(
                f"{settings.model} was trained on all test rows of fold {fold}: start from another"
                " model, or add `include_seen=True`"
            )
    return folds, splits


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
