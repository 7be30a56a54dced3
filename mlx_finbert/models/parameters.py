"""Parameters of a module as a flat dictionary, by their names in the checkpoint, and back."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

Arrays = dict[str, mx.array]


def named_parameters(module: nn.Module) -> Arrays:
    """All parameters of a module."""
    return by_name(module.parameters())


def trainable_parameters(module: nn.Module) -> Arrays:
    """The parameters of a module that are not frozen."""
    return by_name(module.trainable_parameters())


def by_name(parameters: Any) -> Arrays:
    """Flatten a tree of parameters: `{"encoder": {"weight": x}}` to `{"encoder.weight": x}`."""
    flat: list[tuple[str, mx.array]] = tree_flatten(parameters)  # type: ignore[assignment]  # a dictionary only with `destination`
    return dict(flat)


def tree(parameters: Arrays) -> Any:
    """Unflatten parameters to the tree that `Module.update` takes."""
    return tree_unflatten(list(parameters.items()))
