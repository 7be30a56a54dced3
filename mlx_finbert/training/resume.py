"""Settings of a resumed run."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError
from mlx_finbert.settings import flag_of, read_config_file
from mlx_finbert.training.checkpoints import find_checkpoint
from mlx_finbert.training.config import TrainSettings

EARLIER = {"group_by_length": "windows", "group_window": 100}
"""Defaults of earlier versions, for a `config.yaml` without these keys. Without a learning rate of
the head, the head learned at the rate of the other parts."""

RENAMED = {"keep": "save_total_limit", "eval_every": "eval_steps"}
"""Names of earlier versions in `config.yaml`."""


def complete(given: dict[str, Any], say: Callable[[str], None] = print) -> TrainSettings:
    """Build the settings from the given values; `--resume` takes those of the resumed run.

    Data and model may have moved, so new paths are accepted here; their contents are compared
    later.

    Raises:
        InputError: for a flag that differs from the resumed run, or an unusable checkpoint.
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
                f"{flag_of(field)} is {given[field.name]}: the run to resume has {value}, which"
                " cannot be changed; leave the flag out"
            )
    return settings
