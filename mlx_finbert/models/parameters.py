"""Parameters of a module: by their names in the checkpoint, replaced for a while, and hashed."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def holding(module: nn.Module, parameters: dict) -> Iterator[None]:
    """Give a module other parameters, a tree, inside the block, and restore its own after it.

    So no array of a trace stays in the module, even if the trace fails.
    """
    own = module.parameters()
    try:
        module.update(parameters)
        yield
    finally:
        module.update(own)


def weights_sha256(weights: Mapping[str, mx.array]) -> str:
    """SHA-256 of names and values, whatever the order of names and the layout in memory."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        # MLX's arrays support the buffer protocol, but its stubs do not declare this.
        buffer: Any = mx.contiguous(value)
        digest.update(memoryview(buffer))
    return digest.hexdigest()
