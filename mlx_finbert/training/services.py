"""TensorBoard and Weights & Biases; their packages are optional and imported on use."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlx_finbert.files.atomic import write_text
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.state import Record, StepMetrics


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
