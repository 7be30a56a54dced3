"""How to train further where a run has come to its end."""

from pathlib import Path

from mlx_finbert.checkpoints.adapters import is_adapted
from mlx_finbert.training.trainer import Trainer

LENGTH = ("num_train_epochs", "max_steps", "early_stopping_patience")
"""The settings by which a user would want to prolong a run."""


def nothing_left_note(trainer: Trainer, folder: Path) -> str | None:
    """Say that a restored run has no step left, and how to train further; None if it has one.

    Args:
        trainer: of the run, as restored.
        folder: the folder of the run.
    """
    step, total, stopping = trainer.run_state.step, trainer.args.total_steps, trainer.args.stopping
    if step >= total:
        done = f"all {total:,} steps of this run are done"
    elif stopping and stopping.is_over:
        done = f"this run stopped early after step {step:,}"
    else:
        return None
    return (
        f"{done}, so `resume_from_checkpoint` only measures and reports again;"
        f" {how_to_prolong(folder)}"
    )


def how_to_prolong(folder: Path) -> str:
    """A clause that says how to train the model in a run's folder further."""
    if not is_adapted(folder):
        return f"to train on, start a new run with `model={folder}` and the same data"
    return (
        "to train on, fuse the adapters with python -m mlx_finbert.convert.fuse"
        f" --model {folder} --output DIR, and start a new run with `model=DIR` and the same data"
    )
