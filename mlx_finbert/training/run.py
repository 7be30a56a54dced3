"""A complete training run, from the data to the output folder."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.checkpoints.files import RUN_CONFIG, SEEN_TEXTS
from mlx_finbert.checkpoints.training_run import TrainingRun, is_pretraining
from mlx_finbert.data import LabelledTexts, Splits
from mlx_finbert.data.flags import with_earlier_split
from mlx_finbert.data.loader import Loader
from mlx_finbert.distillation.lesson import lesson_of
from mlx_finbert.distillation.unlabelled import read_unlabelled, with_unlabelled
from mlx_finbert.distributed import require_same
from mlx_finbert.errors import InputError
from mlx_finbert.prefetch import background
from mlx_finbert.settings import read_config_file
from mlx_finbert.training.callbacks import Callback, Progress
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.finish import finish
from mlx_finbert.training.frame import checkpoint_to_resume, framed
from mlx_finbert.training.prepare import load_model, make_loaders, make_trainer, width_of
from mlx_finbert.training.result import Result
from mlx_finbert.training.resumed_settings import completed
from mlx_finbert.training.run_folder import RunFolder

log = logging.getLogger(__name__)


EARLIER_DEFAULTS = {"group_by_length": "windows", "group_window": 100}
"""Defaults of earlier versions, for a `config.yaml` without these keys. Without a learning rate of
the head, the head learned at the rate of the other parts."""

RENAMED_SETTINGS = {
    "best_metric": "metric_for_best_model",
    "early_stopping_min_delta": "early_stopping_threshold",
    "epochs": "num_train_epochs",
    "eval_every": "eval_steps",
    "keep": "save_total_limit",
    "label_smoothing": "label_smoothing_factor",
    "schedule": "lr_scheduler_type",
}
"""Names of earlier versions in `config.yaml`."""


def run(
    settings: TrainSettings,
    splits: Splits | None = None,
    texts: LabelledTexts | None = None,
    unlabelled: Sequence[str] | None = None,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Fine-tune a model and write the results to the output folder.

    Several processes share every batch; only the first one writes files and notes.

    Args:
        settings: all settings; without an `output_dir`, a new folder is chosen.
        splits: the rows to use, from `rows_of`; drawn from the texts if not given.
        texts: the texts of `settings.data`; loaded if not given.
        unlabelled: the texts of `settings.unlabelled`, for `rows_of`.
        callbacks: called by the first process, after the folder of the run is up to date.

    Raises:
        InputError: for invalid input, before anything is written.
    """
    checkpoint = checkpoint_to_resume(settings)
    if splits is None:
        drawn = settings.draw(settings.load_texts() if texts is None else texts)
        base = TrainingRun.of(settings.model, settings.revision)
        splits = rows_of(settings, drawn, base, unlabelled)
    with background() as thread, framed(settings, checkpoint) as frame:
        path, processes = frame.folder, frame.processes
        for note in splits.notes:
            log.info(note)
        mx.random.seed(settings.seed)
        model, tokenizer, is_fresh = load_model(settings, splits.train.label_names)
        settings = with_learning_rates(settings, width_of(model), is_fresh)
        loaders = make_loaders(settings, splits, model, tokenizer, processes, thread)
        fingerprint = fingerprint_of(loaders.train, loaders.validation)
        require_same(processes, fingerprint, f"`data={settings.data}`: the rows or their tokens")
        folder = RunFolder(path, settings, model, tokenizer, fingerprint, splits.seen)
        folder.defaults = settings.defaults_for(width_of(model), is_fresh)
        taught_by = partial(folder.taught_by, checkpoint=checkpoint)
        rows, loader = splits.learned, loaders.train
        lesson = lesson_of(settings, rows, loader, model, tokenizer, path, processes, taught_by)
        trainer, folder.vocabulary = make_trainer(settings, model, loaders, processes, lesson)
        progress = Progress(settings.epochs_of(len(loaders.train)))
        end = frame.train(trainer, folder, progress, callbacks)
        if folder.vocabulary:
            folder.vocabulary.restore()
            folder.vocabulary = None
        result = Result(path, end, trainer.run_state)
        if frame.is_first:
            result = finish(end, trainer, folder, loaders, splits, progress)
        frame.leave(end)
    return result


def with_learning_rates(settings: TrainSettings, width: int, is_fresh: bool) -> TrainSettings:
    """Choose the learning rates that were not given, by the model, and say so.

    Args:
        width: hidden size of the model.
        is_fresh: whether its head has random weights.
    """
    chosen = settings.for_model(width, is_fresh)
    if settings.learning_rate is None:
        what = "the adapters of a model" if settings.lora_rank else "a model"
        log.info(f"learning rate {chosen.peak_rate:g}, the default for {what} {width} wide")
    if chosen.head_learning_rate != settings.head_learning_rate:
        log.info(f"learning rate of the fresh head {chosen.head_learning_rate:g}")
    return chosen


def rows_of(
    settings: TrainSettings,
    splits: Splits,
    base: TrainingRun,
    unlabelled: Sequence[str] | None = None,
) -> Splits:
    """The rows of a run: sampled if requested, without test rows that the model has seen.

    Args:
        settings: settings of the run.
        splits: the splits of all rows.
        base: the run that trained the starting model.
        unlabelled: the texts of `settings.unlabelled`; read if not given.
    """
    drawn, splits = splits, settings.use(splits, base.seen_as_base)
    if settings.unlabelled:
        if unlabelled is None:
            column = settings.unlabelled_column
            unlabelled = read_unlabelled(settings.unlabelled, settings.columns(), column)
        splits = with_unlabelled(splits, drawn, unlabelled)
    if splits.test and not splits.seen.is_complete:
        note = (
            f"{base.model}, or the model that it was fine-tuned from, has no {SEEN_TEXTS}: it may"
            " have been trained on these test rows, which cannot be checked"
        )
        splits = replace(splits, notes=[*splits.notes, note])
    return splits


def fingerprint_of(*loaders: Loader) -> str:
    """A hexadecimal hash of the tokens and labels of loaders."""
    digest = hashlib.sha256()
    for loader in loaders:
        for array in (loader.tokens.ids, loader.tokens.offsets, loader.label_ids):
            digest.update(array.tobytes())
    return digest.hexdigest()


def complete(given: dict[str, Any]) -> TrainSettings:
    """Build the settings from the given values, or from those of the run to resume.

    Data and models may have moved, so new paths are accepted here; their contents are compared
    later.

    Raises:
        InputError: for a value that differs from the resumed run, or an unusable checkpoint.
    """
    return completed(TrainSettings, given, recorded_settings)


def recorded_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a run from one of its checkpoints.

    Raises:
        InputError: if the run is not of this command.
    """
    if is_pretraining(folder):
        raise InputError(
            f"`resume_from_checkpoint={folder}` is of a run of python -m"
            " mlx_finbert.pretrain: resume it with that"
        )
    found = read_config_file(folder / RUN_CONFIG, TrainSettings, renamed=RENAMED_SETTINGS)
    recorded: dict[str, Any] = EARLIER_DEFAULTS | with_earlier_split(found)
    recorded.setdefault("head_learning_rate", recorded["learning_rate"])
    return recorded
