"""The settings of a run that goes on."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError
from mlx_finbert.settings import flag_of, read_config_file
from mlx_finbert.training.checkpoints import find_checkpoint
from mlx_finbert.training.config import TrainSettings

EARLIER = {"group_by_length": "windows", "group_window": 100}
"""What a run did whose `config.yaml` does not say how its batches are made; its head learned like
the rest, where nothing is said of that."""

RENAMED = {"keep": "save_total_limit", "eval_every": "eval_steps"}
"""Names that earlier versions wrote into `config.yaml`."""


def complete(given: dict[str, Any], say: Callable[[str], None] = print) -> TrainSettings:
    """Settings from what was given; a run after `--resume` brings its own.

    Its data and its model may lie elsewhere now: what they hold is compared later.

    Raises:
        InputError: for a flag that differs from the run's, or a checkpoint that cannot be used.
    """
    if given.get("resume") is None:
        return TrainSettings(**given)
    checkpoint = find_checkpoint(Path(given.pop("resume")).expanduser().absolute(), say)
    recorded: dict[str, Any] = EARLIER | read_config_file(
        checkpoint.path / "config.yaml", TrainSettings, renamed=RENAMED
    )
    recorded.setdefault("head_learning_rate", recorded["learning_rate"])
    recorded |= {"output_dir": str(checkpoint.run_folder), "resume": str(checkpoint.path)}
    recorded |= {name: given.pop(name) for name in ("data", "model") if name in given}
    settings = TrainSettings(**recorded)
    for field in fields(TrainSettings):
        value = getattr(settings, field.name)
        if given.get(field.name, value) != value:
            raise InputError(
                f"{flag_of(field)} is {given[field.name]}: the run that --resume names has {value},"
                " and goes on as it was started"
            )
    return settings
