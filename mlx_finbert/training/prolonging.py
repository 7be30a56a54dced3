"""How to train further where a run has come to its end."""

from pathlib import Path

from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.trainer import Trainer

LENGTH = ("epochs", "max_steps", "early_stopping_patience")
"""The settings by which a run would be prolonged, if it could be."""


def nothing_left_note(trainer: Trainer, settings: TrainSettings, folder: Path) -> str | None:
    """Say that a restored run has no step left, and how to train further; None if it has one."""
    step, total, stopping = trainer.run_state.step, trainer.args.total_steps, trainer.args.stopping
    if step >= total:
        done = f"all {total:,} steps of this run are done"
    elif stopping and stopping.is_over:
        done = f"this run stopped early after step {step:,}"
    else:
        return None
    return f"{done}: `resume` only measures and reports again; {how_to_prolong(settings, folder)}"


def how_to_prolong(settings: TrainSettings, folder: Path) -> str:
    """A clause that says how to train the model of a finished run further.

    Args:
        settings: those of the run.
        folder: its folder.
    """
    if settings.lora_rank is None:
        return f"to train on, start a new run with `model={folder}` and the same data"
    return (
        "to train on, fuse the adapters with python -m mlx_finbert.convert.fuse"
        f" --model {folder} --output DIR, and start a new run with `model=DIR` and the same data"
    )
