"""The settings of a run that goes on from a checkpoint."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import local_path
from mlx_finbert.training.checkpoints import find_checkpoint
from mlx_finbert.training.config import FolderSettings
from mlx_finbert.training.learning_rates import RATES
from mlx_finbert.training.prolonging import LENGTH, how_to_prolong

Settings = TypeVar("Settings", bound=FolderSettings)

MOVABLE = ("data", "model", "validation_data", "add_tokens", "teacher", "unlabelled")
"""Paths that may have changed since; their contents are compared later."""

REVISIONS = {"data": "data_revision", "model": "revision"}
"""Settings that may have changed too: a recorded one is that of the recorded place."""


def completed(
    settings_class: type[Settings], given: dict[str, Any], recorded: Callable[[Path], dict]
) -> Settings:
    """Build settings from the given values, or from those of the run to resume.

    Args:
        settings_class: the class of the settings.
        given: values by field.
        recorded: reads the settings that a checkpoint's folder records.

    Raises:
        InputError: for a value that differs from the resumed run, or an unusable checkpoint.
    """
    if given.get("resume_from_checkpoint") is None:
        return settings_class(**given)
    checkpoint = find_checkpoint(local_path(given.pop("resume_from_checkpoint")).absolute())
    values = recorded(checkpoint.path)
    values |= {
        "output_dir": str(checkpoint.run_folder),
        "resume_from_checkpoint": str(checkpoint.path),
    }
    values |= moved(given, values)
    settings = settings_class(**values)
    longer = f", and let the run finish; {how_to_prolong(checkpoint.run_folder)}"
    for field in fields(settings_class):
        value = getattr(settings, field.name)
        wanted = given.get(field.name, value)
        as_chosen = wanted is None and field.name in RATES
        if wanted != value and not as_chosen:
            raise InputError(
                f"`{field.name}` is {wanted}: the run to resume has {value}, which"
                f" cannot be changed; leave it out{longer if field.name in LENGTH else ''}"
            )
    return settings


def moved(given: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
    """Take the paths and their revisions from the given values, as they are to be now."""
    elsewhere = {
        revision: None
        for place, revision in REVISIONS.items()
        if place in given and given[place] != recorded.get(place)
    }
    names = (*MOVABLE, *REVISIONS.values())
    return elsewhere | {name: given.pop(name) for name in names if name in given}
