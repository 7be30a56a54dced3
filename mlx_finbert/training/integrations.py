"""Reporting: the log file always, TensorBoard and Weights & Biases on request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError, first_line
from mlx_finbert.settings import require
from mlx_finbert.training.callbacks import Callback, JsonLines
from mlx_finbert.training.services import SERVICES
from mlx_finbert.training.state import Record, StepMetrics

LOG = "log.jsonl"


def check_services(names: list[str]) -> None:
    """Check that these services can be used, before anything is written.

    Raises:
        InputError: for an unknown name, or a package that is not installed.
    """
    for name in names:
        require(name in SERVICES, "--report-to", name, f"must be one of {', '.join(SERVICES)}")
        _, package = SERVICES[name]
        try:
            package()
        except ImportError:
            raise InputError(
                f"--report-to {name} needs a package that is not installed: pip install {name}"
            ) from None


def reporters(
    names: list[str], folder: Path, every: int = 1, say: Callable[[str], None] = print
) -> list[Callback]:
    """Callbacks for these services and the log file; nothing is written before `on_start`.

    Args:
        names: `tensorboard`, `wandb` or both.
        folder: folder of the run, for all files.
        every: report every `every`-th step to the services; the log file has all steps.
        say: receives the message of a failure.

    Raises:
        InputError: see `check_services`.
    """
    check_services(names)
    told: list[Callback] = []
    for name in dict.fromkeys(names):
        service, _ = SERVICES[name]
        told.append(Guarded(f"--report-to {name}", service(folder), every, say))
    # Last, so that a service that cannot start does not change the log of an earlier run.
    return [*told, Guarded(LOG, JsonLines(folder / LOG), 1, say)]


class Guarded(Callback):
    """Keep failures of a reporter from ending the run.

    A reporter that cannot start is an error, since nothing is lost yet. One that fails later is
    disabled, and the training continues.
    """

    def __init__(
        self, name: str, reporter: Callback, every: int, say: Callable[[str], None]
    ) -> None:
        self.name, self.reporter, self.every, self.say = name, reporter, every, say
        self.works = True

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        try:
            self.reporter.on_start(settings, total_steps, resumed_at)
        except Exception as error:
            raise InputError(f"{self.name} cannot be started: {first_line(error)}") from error

    def on_step(self, figures: StepMetrics) -> None:
        if figures.step % self.every == 0:
            self.tell(self.reporter.on_step, figures)

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.tell(self.reporter.on_evaluation, record, is_best)

    def on_end(self, end: str) -> None:
        self.tell(self.reporter.on_end, end)

    def tell(self, method: Callable[..., None], *arguments: Any) -> None:
        """Call a method, unless the reporter has failed before."""
        if not self.works:
            return
        try:
            method(*arguments)
        except Exception as error:
            self.works = False
            self.say(f"{self.name} failed and is now disabled: {first_line(error)}")
