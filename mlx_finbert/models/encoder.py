"""The stack of transformer layers that all families have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.dropout import dropout_from, split_keys
from mlx_finbert.models.packing import Packing


class Encoder(nn.Module):
    """Layers one after the other; `layer` is the name of the list in the checkpoints."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.layer = list(layers)
        self.gradient_checkpointing = False
        """Keep only the layers' inputs for the backward pass, and compute each layer again there
        (Chen et al. 2016): less memory for about a third more work."""

    def __call__(self, x: mx.array, packing: Packing) -> mx.array:
        """Each example's first token, [CLS], after every layer: all that a classifier reads.

        Args:
            x: (B, L, hidden_size).
            packing: E examples a row.

        Returns:
            (B * E, hidden_size). The last layer takes keys and values from every token and computes
            the rest for the first ones alone: of the 12 hidden_size^2 multiplications a token that
            a layer has, 10 are left out, a seventh of a model with six layers.
        """
        run = run_checkpointed if self.gradient_checkpointing else run_layer
        last = len(self.layer) - 1
        # One key a layer, drawn outside of it: running the layer again draws the same masks.
        for i, (layer, key) in enumerate(zip(self.layer, split_keys(last + 1), strict=True)):
            x = run(layer, x, packing, key, i == last)
        return x.flatten(-3, -2)


def run_layer(
    layer: nn.Module, x: mx.array, packing: Packing, key: mx.array | None, first_only: bool
) -> mx.array:
    with dropout_from(key):
        return layer(x, packing, first_only)


def run_checkpointed(
    layer: nn.Module, x: mx.array, packing: Packing, key: mx.array | None, first_only: bool
) -> mx.array:
    # What is to get a gradient through mx.checkpoint has to be an argument of the function; what is
    # frozen too, since the second run may come when the layer holds other weights again.
    def run(parameters: dict, x: mx.array) -> mx.array:
        with holding(layer, parameters):
            return run_layer(layer, x, packing, key, first_only)

    return mx.checkpoint(run)(layer.parameters(), x)


@contextmanager
def holding(module: nn.Module, parameters: dict) -> Iterator[None]:
    """The module with other parameters, a tree, inside the block; its own are put back after it.

    So no array of a trace stays in the module, also where the trace fails.
    """
    own = module.parameters()
    try:
        module.update(parameters)
        yield
    finally:
        module.update(own)
