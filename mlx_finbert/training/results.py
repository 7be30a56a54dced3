"""What comes after the last step: the best weights, their calibration, figures and report."""

from dataclasses import dataclass, field
from pathlib import Path

import mlx.core as mx

from mlx_finbert.calibration import explain_temperature, fit_temperature
from mlx_finbert.data import Splits
from mlx_finbert.forward import Forward
from mlx_finbert.metrics import Metrics
from mlx_finbert.report import Predictions
from mlx_finbert.training.fit import Fit
from mlx_finbert.training.folder import RunFolder
from mlx_finbert.training.prepare import Loaders, Say
from mlx_finbert.training.progress import Progress
from mlx_finbert.training.record import RunState


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
    """Of the calibration: in the saved model's output layer, not in the logits of `predictions`."""


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
    ending = how_it_ended(end, fit.run_state, folder.path)
    say(f"{fit.run_state.step:,} steps: {progress.speed_and_memory()}")
    say(ending)
    best = fit.run_state.best
    if best is None:
        return Result(folder.path, end, fit.run_state)
    folder.load_best()
    forward = Forward(folder.model)
    temperature = 1.0
    if folder.settings.calibration:
        temperature = calibrate(forward, folder, loaders)
        say(explain_temperature(temperature))
    # After Ctrl-C nobody waits for a test set.
    predictions = None if end == "interrupted" else predictions_of(forward, loaders, splits)
    report = folder.report_of(
        ending,
        best,
        predictions=predictions,
        temperature=temperature,
        padding_waste=loaders.train.padding_waste(),
        tokens_per_second=progress.tokens_per_second,
        peak_memory=mx.get_peak_memory(),
        notes=splits.notes,
    )
    folder.report(report, best, len(splits.train), splits.train.licence)
    return Result(
        folder=folder.path,
        end=end,
        run_state=fit.run_state,
        test=report.results.metrics if predictions and loaders.test else None,
        predictions=predictions,
        labels=report.label_names,
        temperature=temperature,
    )


def calibrate(forward: Forward, folder: RunFolder, loaders: Loaders) -> float:
    """Fit the temperature on the validation rows and save the model calibrated by it."""
    logits = forward.all_logits(loaders.validation)
    temperature = fit_temperature(logits, loaders.validation.labels)
    folder.save_calibrated(temperature)
    return temperature


def predictions_of(forward: Forward, loaders: Loaders, splits: Splits) -> Predictions:
    """For the test rows; for the validation rows where there are none."""
    name = "test" if loaders.test else "validation"
    loader = loaders.test or loaders.validation
    return Predictions(name, splits.part(name).texts, loader.labels, forward.all_logits(loader))


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
