"""Reporting: the log file always, TensorBoard and Weights & Biases on request."""

import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.atomic import write_text
from mlx_finbert.settings import require
from mlx_finbert.training.callbacks import Callback, JsonLines
from mlx_finbert.training.state import Record, StepMetrics

log = logging.getLogger(__name__)

LOG = "log.jsonl"


def check_services(names: list[str]) -> None:
    """Check that these services can be used, before anything is written.

    Raises:
        InputError: for an unknown name, or a package that is not installed.
    """
    for name in names:
        require(name in SERVICES, "report_to", name, f"must be one of {', '.join(SERVICES)}")
        _, package = SERVICES[name]
        try:
            package()
        except ImportError:
            raise InputError(
                f"`report_to={name}` needs a package that is not installed: pip install {name}"
            ) from None


def reporters(names: list[str], folder: Path, every: int = 1) -> list[Callback]:
    """Callbacks for these services and the log file; nothing is written before `on_start`.

    Args:
        names: `tensorboard`, `wandb` or both.
        folder: folder of the run, for all files.
        every: report every `every`-th step to the services; the log file has all steps.

    Raises:
        InputError: see `check_services`.
    """
    check_services(names)
    found: list[Callback] = []
    for name in dict.fromkeys(names):
        service, _ = SERVICES[name]
        found.append(Guarded(f"`report_to={name}`", service(folder), every))
    # Last, so that a service that cannot start does not change the log of an earlier run.
    return [*found, Guarded(LOG, JsonLines(folder / LOG), 1)]


class Guarded(Callback):
    """Keep failures of a reporter from ending the run.

    A reporter that cannot start is an error, since nothing is lost yet. One that fails later is
    disabled, and the training continues.
    """

    def __init__(self, name: str, reporter: Callback, every: int) -> None:
        self.name, self.reporter, self.every = name, reporter, every
        self.works = True

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        try:
            self.reporter.on_start(settings, total_steps, resumed_at)
        except Exception as error:
            if isinstance(error, OSError) and error.filename:
                # It names the file and, for a full disk, what is needed.
                raise
            raise InputError(f"{self.name} cannot be started: {first_line(error)}") from error

    def on_step(self, figures: StepMetrics) -> None:
        if figures.step % self.every == 0:
            self.notify(self.reporter.on_step, figures)

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.notify(self.reporter.on_evaluation, record, is_best)

    def on_end(self, end: str) -> None:
        self.notify(self.reporter.on_end, end)

    def notify(self, method: Callable[..., None], *arguments: Any) -> None:
        """Call a method, unless the reporter has failed before."""
        if not self.works:
            return
        try:
            method(*arguments)
        except Exception as error:
            self.works = False
            log.warning(f"{self.name} failed and is now disabled: {first_line(error)}")


def step_scalars(figures: StepMetrics) -> dict[str, float]:
    """The figures of a step as `train/loss`, `train/accuracy`, ..."""
    return {f"train/{name}": value for name, value in asdict(figures).items() if name != "step"}


def evaluation_scalars(record: Record) -> dict[str, float]:
    """The validation figures as `validation/loss`, `validation/accuracy`, ..."""
    return {
        f"validation/{name.removeprefix('val_')}": value
        for name, value in asdict(record).items()
        if name.startswith("val_")
    }


class TensorBoard(Callback):
    """Write event files to the subfolder `tensorboard`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tensorboard"

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        if not resumed_at:
            for old in self.folder.glob("events.out.tfevents.*"):
                old.unlink()
        self.writer = tensorboard_writer()(str(self.folder))

    def on_step(self, figures: StepMetrics) -> None:
        self.write(step_scalars(figures), figures.step)

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.write(evaluation_scalars(record), record.step)
        self.writer.flush()

    def on_end(self, end: str) -> None:
        self.writer.close()

    def write(self, scalars: dict[str, float], step: int) -> None:
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)


def tensorboard_writer() -> Callable[[str], Any]:
    """The writer class of tensorboard or tensorboardX; neither needs TensorFlow or PyTorch."""
    try:
        from tensorboard.summary import Writer
    except ImportError:
        from tensorboardX import SummaryWriter as Writer
    return Writer


class WeightsAndBiases(Callback):
    """Report to a run of Weights & Biases; its id is saved, so that a resumed run continues it.

    The project is `mlx-finbert`. The service's environment variables can change this and all other
    settings (`WANDB_PROJECT`, `WANDB_MODE=offline`, ...).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        kept = self.folder / "wandb" / "run_id.txt"
        run_id = kept.read_text().strip() if resumed_at and kept.exists() else None
        self.run = wandb_init()(
            project=os.environ.get("WANDB_PROJECT", "mlx-finbert"),
            name=self.folder.name,
            dir=self.folder,
            config=settings | {"total_steps": total_steps},
            id=run_id,
            resume="allow" if run_id else None,
        )
        write_text(kept, self.run.id)
        # The service's own step counter cannot go back, as it must after a resume.
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def on_step(self, figures: StepMetrics) -> None:
        self.run.log(step_scalars(figures) | {"step": figures.step})

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.run.log(evaluation_scalars(record) | {"step": record.step})

    def on_end(self, end: str) -> None:
        self.run.summary["end"] = end
        self.run.finish()


def wandb_init() -> Callable[..., Any]:
    # By name: a folder `wandb` in the working directory can be imported without the package.
    from wandb import init

    return init


SERVICES: dict[str, tuple[Callable[[Path], Callback], Callable[[], Any]]] = {
    "tensorboard": (TensorBoard, tensorboard_writer),
    "wandb": (WeightsAndBiases, wandb_init),
}
