"""Who is told of a run's course: its log always, TensorBoard and Weights & Biases on demand."""

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
    """Find out before anything is written whether these services can be reported to.

    Raises:
        InputError: for an unknown name, or a package that is not installed.
    """
    for name in names:
        require(name in SERVICES, "--report-to", name, f"one of {', '.join(SERVICES)}")
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
    """These services and the log file; nothing is written before `on_start`.

    Args:
        names: from `tensorboard` and `wandb`.
        folder: the run's; all files are inside it.
        every: the services are told of each so many steps; the log file has them all.
        say: takes the sentence that tells of a failure.

    Raises:
        InputError: as `check_services`.
    """
    check_services(names)
    told: list[Callback] = []
    for name in dict.fromkeys(names):
        service, _ = SERVICES[name]
        told.append(Guarded(f"--report-to {name}", service(folder), every, say))
    # Last, so that a service that cannot start leaves the log of an earlier run alone.
    return [*told, Guarded(LOG, JsonLines(folder / LOG), 1, say)]


class Guarded(Callback):
    """Keeps a run from its reporter's faults.

    One that cannot start is an error, since nothing is lost yet. One that fails later is told
    nothing more, and the training goes on.
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
        """Call if all went well so far."""
        if not self.works:
            return
        try:
            method(*arguments)
        except Exception as error:
            self.works = False
            self.say(f"{self.name} failed and is left out from here on: {first_line(error)}")
