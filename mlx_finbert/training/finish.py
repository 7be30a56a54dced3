"""The end of a run: load the best weights, calibrate, measure, and write the report."""

import json
import logging
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from threading import Event
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.data import Splits
from mlx_finbert.distillation.comparison import compared_with_teacher
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.calibration import explain_temperature, fit_temperature
from mlx_finbert.files.atomic import write_text
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.inference.logits import Forward, require_finite
from mlx_finbert.interrupt import interrupt_noted
from mlx_finbert.publishing.card import write_card
from mlx_finbert.report import Predictions, Report, metrics_of, write_report
from mlx_finbert.report.student import StudentAndTeacher
from mlx_finbert.training.callbacks import Progress, steps_in
from mlx_finbert.training.card_facts import facts_of_run
from mlx_finbert.training.collapse import collapse_warning
from mlx_finbert.training.integrations import LOG
from mlx_finbert.training.output_dir import REPORTS
from mlx_finbert.training.prepare import Loaders
from mlx_finbert.training.result import Result
from mlx_finbert.training.run_files import RunFiles
from mlx_finbert.training.run_folder import RunFolder
from mlx_finbert.training.state import Record, RunState
from mlx_finbert.training.trainer import Trainer

log = logging.getLogger(__name__)


def finish(
    end: str,
    trainer: Trainer,
    folder: RunFolder,
    loaders: Loaders,
    splits: Splits,
    progress: Progress,
) -> Result:
    """Load the best weights, calibrate, measure, and write the report.

    Ctrl-C during calibration skips calibration and measurement; Ctrl-C during the measurement ends
    it. The report is still written. A second Ctrl-C interrupts as usual, as does the first one
    here if training was already interrupted.
    """
    ending = how_it_ended(end, trainer.run_state, folder.path)
    log.info(f"{trainer.run_state.step:,} steps: {progress.speed_and_memory()}")
    log.info(ending)
    best = trainer.run_state.best
    if best is None:
        return Result(folder.path, end, trainer.run_state)
    noting = nullcontext(Event()) if end == "interrupted" else interrupt_noted()
    with noting as interrupted:
        temperature, predictions, warnings = measured(end, folder, loaders, splits, interrupted)
        for warning in warnings:
            log.warning(warning)
        if left_out := what_ctrl_c_left_out(predictions, interrupted, folder.path):
            log.info(left_out)
            ending = f"{ending}; {left_out}"
        distillation = with_teacher(folder, predictions, temperature, interrupted)
        report = report_of(
            folder,
            ending,
            best,
            predictions=predictions,
            temperature=temperature,
            distillation=distillation,
            padding_waste=loaders.train.padding_waste(),
            tokens_per_second=progress.tokens_per_second,
            peak_memory=mx.get_peak_memory(),
            label_names=folder.model.args.labels,
            notes=splits.notes + warnings,
        )
        write_reports(folder, report, best, splits)
    metrics = report.results.metrics if report.results else None
    for remark in metrics.remarks(report.label_names) if metrics else []:
        log.info(remark)
    return Result(
        folder=folder.path,
        end="interrupted" if interrupted.is_set() else end,
        run_state=trainer.run_state,
        test=metrics if predictions and predictions.split == "test" else None,
        predictions=predictions,
        labels=report.label_names,
        temperature=temperature,
        distillation=distillation,
    )


def with_teacher(
    folder: RunFolder, predictions: Predictions | None, temperature: float, interrupted: Event
) -> StudentAndTeacher | None:
    """Compare the model with its teacher, if it has one and all rows were measured.

    A teacher that has been moved or damaged during the run does not keep the report from being
    written.
    """
    name = folder.settings.teacher
    if name is None or predictions is None or interrupted.is_set():
        return None
    model, tokenizer, path = folder.model, folder.tokenizer, folder.path
    try:
        found = compared_with_teacher(
            name, model, tokenizer, path, predictions, temperature, interrupted
        )
    except (InputError, OSError) as error:
        log.warning("the teacher was not measured: %s", error)
        return None
    for line in found.lines() if found else ["Ctrl-C: the teacher was not measured"]:
        log.info(line)
    return found


def report_of(folder: RunFiles, ending: str, best: Record, **more: Any) -> Report:
    """Build a report from the settings, the history and further fields."""
    settings: Any = folder.settings
    return Report(
        title=folder.path.name,
        model=settings.model,
        data=settings.data,
        ending=ending,
        settings={f.name: getattr(settings, f.name) for f in fields(settings)},
        defaults=folder.defaults,
        history=[asdict(record) for record in folder.history],
        best_step=best.step,
        steps=steps_in(folder.path / LOG),
        **more,
    )


def write_reports(folder: RunFolder, report: Report, best: Record, splits: Splits) -> None:
    """Write the report, `metrics.json` and the model card in one atomic step."""
    train = splits.train
    figures = metrics_of(report) if report.results else {}
    facts = facts_of_run(
        folder.settings,
        folder.model.args,
        len(train),
        len(splits.unlabelled),
        train.licence,
        best,
        figures,
        report.temperature,
    )
    with replacing(folder.path, REPORTS) as part:
        write_report(part, report)
        if figures:
            text = json.dumps(figures, indent=2, allow_nan=False)
            write_text(part / "metrics.json", text + "\n")
        write_card(part, facts, folder.path)


def measured(
    end: str,
    folder: RunFolder,
    loaders: Loaders,
    splits: Splits,
    interrupted: Event,
) -> tuple[float, Predictions | None, list[str]]:
    """The temperature and the predictions of the best weights, and warnings about these weights.

    The predictions are None if Ctrl-C came before them.
    """
    folder.load_best()
    forward = Forward(folder.model)
    temperature, warnings = validated(end, forward, folder, loaders, interrupted)
    # Do not delay the exit after Ctrl-C by measuring the test rows.
    if end == "interrupted" or interrupted.is_set():
        return temperature, None, warnings
    return temperature, predictions_of(forward, loaders, splits, interrupted), warnings


def validated(
    end: str, forward: Forward, folder: RunFolder, loaders: Loaders, interrupted: Event
) -> tuple[float, list[str]]:
    """Calibrate by the validation rows; return the temperature and a warning of a collapsed model.

    If Ctrl-C comes before all rows are ready, the model is unchanged and the temperature is 1. A
    run that did not come to its end is not judged.
    """
    rows, calibrates = loaders.validation.label_ids, folder.settings.calibration
    is_complete = end in ("finished", "stopped early")
    if not calibrates and not is_complete:
        return 1.0, []
    ready, logits = forward.logits_until(interrupted, loaders.validation, "validation rows")
    if len(ready) < len(rows):
        if calibrates:
            log.info("Ctrl-C: calibration skipped; the probabilities are not calibrated")
        return 1.0, []
    warning = None
    if is_complete:
        warning = collapse_warning(logits, rows, folder.model.args.labels, folder.settings)
    temperature = calibrate(folder, logits, rows) if calibrates else 1.0
    return temperature, [warning] if warning else []


def calibrate(folder: RunFolder, logits: np.ndarray, label_ids: np.ndarray) -> float:
    """Fit and return the temperature of the validation rows, and save the calibrated model.

    Args:
        logits: float32 (N, num_labels).
        label_ids: int (N,).
    """
    temperature = fit_temperature(logits, label_ids)
    folder.save_calibrated(temperature)
    log.info(explain_temperature(temperature))
    return temperature


def predictions_of(
    forward: Forward, loaders: Loaders, splits: Splits, interrupted: Event
) -> Predictions:
    """Predictions for the test rows, or the validation rows without test rows; stops at Ctrl-C."""
    name, loader, texts = "validation", loaders.validation, splits.validation
    if loaders.test and splits.test:
        name, loader, texts = "test", loaders.test, splits.test
    ready, logits = forward.logits_until(interrupted, loader, f"{name} rows")
    require_finite(logits)
    rows = texts.take(ready, name)
    return Predictions(
        split=name,
        texts=rows.texts,
        label_ids=loader.label_ids[ready],
        logits=logits,
        numbers=rows.numbers,
        others=rows.others,
        rows_in_all=len(loader.label_ids),
        truncated=int(loader.tokens.cut[ready].sum()),
    )


def what_ctrl_c_left_out(
    predictions: Predictions | None, interrupted: Event, folder: Path
) -> str | None:
    """A message about rows not measured because of Ctrl-C; None if all rows were measured."""
    if not interrupted.is_set() or (predictions and not predictions.interrupted):
        return None
    measured = "no rows were measured"
    if predictions:
        done, in_all = len(predictions.texts), predictions.rows_in_all
        measured = f"{done:,} of {in_all:,} {predictions.split} rows were measured, a random sample"
    return f"Ctrl-C: {measured}; for all rows, run python -m mlx_finbert.evaluate --model {folder}"


def how_it_ended(end: str, state: RunState, folder: Path) -> str:
    """A message about the end of the run and the place of its weights."""
    best = (
        f"the model of epoch {state.best.epoch:g} is in {folder}"
        if state.best
        else "no model was saved, since there was no evaluation yet"
    )
    if end == "interrupted":
        how = f"continue with `resume_from_checkpoint={folder}`"
        return f"stopped after step {state.step:,}; {best}; {how}"
    if end == "stopped early":
        return f"stopped early after step {state.step:,}; {best}"
    if end == "diverged":
        return (
            f"stopped: the loss or a gradient is not finite after {state.step:,} steps; {best};"
            " try a lower `learning_rate`"
        )
    return best
