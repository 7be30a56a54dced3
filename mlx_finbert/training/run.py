"""A whole training run: data, model, loop, and the folder that it leaves."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import mlx.core as mx

from mlx_finbert.calibration import explain_temperature, fit_temperature
from mlx_finbert.data import Splits
from mlx_finbert.forward import Forward
from mlx_finbert.metrics import Metrics
from mlx_finbert.ranks import guarded, ranks, require_same
from mlx_finbert.report import Predictions
from mlx_finbert.training.checkpoints import find_checkpoint
from mlx_finbert.training.fit import Fit
from mlx_finbert.training.folder import RunFolder, check_output, claim_folder, fingerprint_of
from mlx_finbert.training.prepare import Loaders, Say, load_model, make_fit, make_loaders
from mlx_finbert.training.progress import Progress
from mlx_finbert.training.record import RunState
from mlx_finbert.training.reporters import check_services, reporters
from mlx_finbert.training.settings import TrainSettings
from mlx_finbert.training.step import StepFailed


@dataclass
class Result:
    """What a run leaves."""

    folder: Path
    end: str
    """`finished`, `stopped early`, `interrupted`, `diverged` or `failed`."""
    run_state: RunState
    test: Metrics | None = None
    """Of the best evaluation's weights on the test rows, calibrated; None after Ctrl-C or without
    such rows."""
    predictions: Predictions | None = None
    """Of these weights for the test rows, or the validation rows where there are none."""
    labels: list[str] = field(default_factory=list)
    """Names in the order of the logits."""
    temperature: float = 1.0
    """Of the calibration."""


def run(settings: TrainSettings, say: Say = print) -> Result:
    """Fine-tune as the settings say and write everything to their output folder.

    Several processes share every batch; the first of them alone writes and speaks.

    Args:
        settings: complete; the folder is chosen where they name none.
        say: takes the sentences that tell what happens.

    Raises:
        InputError: before anything is written, for input that cannot be used.
    """
    checkpoint = find_checkpoint(Path(settings.resume), say) if settings.resume else None
    check_output(settings)
    splits = settings.split(settings.load_texts())
    with guarded("start the run again, with --resume to go on from its last checkpoint"):
        processes = ranks()
        is_first = processes.rank() == 0
        say = say if is_first else silent
        if is_first:
            check_services(settings.report_to or [])
        for note in splits.notes:
            say(note)
        mx.random.seed(settings.seed)
        model, tokenizer = load_model(settings, splits.train.label_names, say)
        loaders = make_loaders(settings, splits, model, tokenizer, processes, say)
        fingerprint = fingerprint_of(loaders.train, loaders.validation)
        require_same(processes, fingerprint, f"--data {settings.data}: the rows or their tokens")
        fit = make_fit(settings, model, loaders, processes)
        path = checkpoint.run_folder if checkpoint else claim_folder(settings, is_first)
        folder = RunFolder(path, settings, model, tokenizer, fingerprint)
        if checkpoint:
            folder.go_on_from(checkpoint, fit)
            say(f"going on after step {fit.run_state.step:,}, from {checkpoint.path}")
        progress = Progress(-(-fit.plan.total_steps // len(loaders.train)))
        if is_first:
            services = reporters(settings.report_to or [], path, say=say)
            fit.callbacks = [progress, folder, *services]
        end = train(fit, settings, say)
    if not is_first:
        return Result(path, end, fit.run_state)
    return finish(end, fit, folder, loaders, splits, progress, say)


def silent(sentence: str) -> None:
    """What the processes after the first say."""


def train(fit: Fit, settings: TrainSettings, say: Say) -> str:
    """Run the loop, its watchers told of start and end; returns how it ended."""
    total = fit.plan.total_steps
    say(f"{total:,} steps of {fit.train.update_size} rows; the first ones compile")
    for callback in fit.callbacks:
        callback.on_start(asdict(settings), total, fit.run_state.step)
    end = "failed"
    try:
        end = fit.run()
    except StepFailed as error:
        say(str(error))
    finally:
        for callback in fit.callbacks:
            callback.on_end(end)
    return end


def finish(
    end: str,
    fit: Fit,
    folder: RunFolder,
    loaders: Loaders,
    splits: Splits,
    progress: Progress,
    say: Say,
) -> Result:
    """Go back to the best weights, calibrate, measure, and write the report."""
    best = fit.run_state.best
    ending = how_it_ended(end, fit.run_state, folder.path)
    say(f"{fit.run_state.step:,} steps: {progress.speed_and_memory()}")
    say(ending)
    if best is None:
        return Result(folder.path, end, fit.run_state)
    model = folder.model
    folder.load_weights(folder.path)
    forward = Forward(model)
    if folder.settings.calibration:
        validation_logits = forward.all_logits(loaders.validation)
        temperature = fit_temperature(validation_logits, loaders.validation.labels)
        model.args.calibration_temperature = temperature
        folder.save_model(folder.path)
        say(explain_temperature(temperature))
    # After Ctrl-C nobody waits for a test set.
    predictions = None
    if end != "interrupted":
        part, loader = (
            ("test", loaders.test) if loaders.test else ("validation", loaders.validation)
        )
        logits = forward.all_logits(loader)
        predictions = Predictions(part, splits.part(part).texts, loader.labels, logits)
    report = folder.report_of(
        ending,
        best,
        predictions=predictions,
        padding_waste=loaders.train.padding_waste(),
        tokens_per_second=progress.tokens_per_second,
        peak_memory=mx.get_peak_memory(),
        notes=splits.notes,
    )
    folder.report(report, best, len(splits.train), splits.train.licence)
    test = report.results.metrics if loaders.test and predictions else None
    args = model.args
    return Result(
        folder.path,
        end,
        fit.run_state,
        test,
        predictions,
        args.labels,
        args.calibration_temperature,
    )


def predictions_of(forward: Forward, loaders: Loaders, splits: Splits) -> Predictions:
    """For the test rows; for the validation rows where there are none."""
    name = "test" if loaders.test else "validation"
    loader = loaders.test or loaders.validation
    logits = forward.all_logits(loader)
    return Predictions(name, splits.part(name).texts, loader.labels, logits)


def how_it_ended(end: str, state: RunState, folder: Path) -> str:
    """A sentence on the end of the run and on where its weights are."""
    best = (
        f"the best model, of epoch {state.best.epoch:g}, is in {folder}"
        if state.best
        else "there was no evaluation yet, so there is no best model"
    )
    if end == "interrupted":
        return f"stopped after step {state.step:,}; {best}; go on with --resume {folder}"
    if end == "stopped early":
        return f"stopped early after step {state.step:,}; {best}"
    if end == "diverged":
        return (
            f"the loss or a gradient is not finite after {state.step:,} steps: stopped; {best};"
            " try a lower --learning-rate"
        )
    return best
