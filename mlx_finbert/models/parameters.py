"""Parameters of a module as a dictionary by their names in the checkpoint, and back."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

Arrays = dict[str, mx.array]


def named_parameters(module: nn.Module) -> Arrays:
    """All parameters of a module."""
    return by_name(module.parameters())


def trainable_parameters(module: nn.Module) -> Arrays:
    """Those that are not frozen."""
    return by_name(module.trainable_parameters())


def by_name(parameters: Any) -> Arrays:
    """A tree of parameters, `{"encoder": {"weight": x}}`, as `{"encoder.weight": x}`."""
    flat: list[tuple[str, mx.array]] = tree_flatten(parameters)  # type: ignore[assignment]  # a dictionary only with `destination`
    return dict(flat)


def tree(parameters: Arrays) -> Any:
    """What `Module.update` takes."""
    return tree_unflatten(list(parameters.items()))
