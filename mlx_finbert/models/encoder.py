"""The stack of transformer layers that all families have."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.dropout import dropout_from, next_key


class Encoder(nn.Module):
    """Layers one after the other; `layer` is the name of the list in the checkpoints."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layer = layers
        self.gradient_checkpointing = False
        """Keep only the layers' inputs for the backward pass, and compute each layer again there
        (Chen et al. 2016): less memory for about a third more work."""

    def __call__(self, x: mx.array, mask: mx.array) -> mx.array:
        """(B, L, hidden_size) through every layer; mask is bool (B, 1, 1, L)."""
        run = run_checkpointed if self.gradient_checkpointing else run_layer
        for layer in self.layer:
            # One key a layer, drawn outside of it: running the layer again draws the same masks.
            x = run(layer, x, mask, next_key())
        return x


def run_layer(layer: nn.Module, x: mx.array, mask: mx.array, key: mx.array | None) -> mx.array:
    with dropout_from(key):
        return layer(x, mask)


def run_checkpointed(
    layer: nn.Module, x: mx.array, mask: mx.array, key: mx.array | None
) -> mx.array:
    # What is to get a gradient through mx.checkpoint has to be an argument of the function; what is
    # frozen too, since the second run may come when the layer holds other weights again.
    def run(parameters: dict, x: mx.array) -> mx.array:
        with holding(layer, parameters):
            return run_layer(layer, x, mask, key)

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
