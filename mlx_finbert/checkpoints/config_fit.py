"""Compares a config with the weights next to it, before a model is built of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import Weights
from mlx_finbert.errors import InputError, shown
from mlx_finbert.models import family_of

GENERAL = "config.json: "
"""The start of a message of `models`, which knows no files."""


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Name the file that a config comes from, in the messages about its values."""
    try:
        yield
    except InputError as error:
        said = str(error)
        if not said.startswith(GENERAL):
            raise
        raise InputError(f"{path}: {said.removeprefix(GENERAL)}") from None


def require_fit(config: dict[str, Any], weights: Weights, source: Path) -> None:
    """Refuse a config whose sizes are not those of the weights.

    A model has as many layers as its config says, whatever they cost, so that it is built only if
    the weights have them.

    Args:
        config: as read, without the labels if they do not matter.
        weights: by today's key names.
        source: the folder of the weights.

    Raises:
        InputError: names the key and the tensor.
    """
    args_class, model_class = family_of(config)
    args, prefix = args_class.from_config(config), model_class.prefix
    for key, (name, axis) in args.sizes.items():
        tensor = weights.get(prefix + name)
        if tensor is not None and tensor.ndim == 2 and tensor.shape[axis] != getattr(args, key):
            raise InputError(
                f"{GENERAL}{key} = {getattr(args, key)}, but the tensor {prefix}{name} of {source}"
                f" has shape {tensor.shape}; config.json and weights are of different models"
            )
    key, start = args.layers
    start = prefix + start
    found = len(
        {name[len(start) :].partition(".")[0] for name in weights if name.startswith(start)}
    )
    own = (prefix, *model_class.head, *model_class.pretraining)
    if not found and (others := sorted(name for name in weights if not name.startswith(own))):
        raise InputError(
            f"{source}: the tensor {shown(others[0])} has no place in {model_class.__name__};"
            " config.json and weights are of different models"
        )
    if getattr(args, key) > found:
        raise InputError(
            f"{GENERAL}{key} = {getattr(args, key)}, but the weights of {source} have {found}"
            " layers; config.json and weights are of different models, or weights are missing"
        )
