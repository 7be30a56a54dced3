"""The stack of transformer layers, shared by the model families."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.attention import Packing
from mlx_finbert.models.dropout import dropout_from, split_keys
from mlx_finbert.models.parameters import holding


class Encoder(nn.Module):
    """A stack of layers; `layer` is the name of the list in the checkpoints."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.layer = list(layers)
        self.gradient_checkpointing = False
        """Whether to keep only the layers' inputs for the backward pass and compute each layer
        again there (Chen et al. 2016): less memory for about a third more work."""

    def __call__(self, x: mx.array, packing: Packing) -> mx.array:
        """Run all layers and return the selected tokens: [CLS] for a classifier.

        The last layer takes keys and values from every token and computes the rest only for the
        selected ones. For [CLS] this saves 10 of the 12 hidden_size^2 multiplications per token of
        a layer, a seventh of a model with six layers.

        Args:
            x: (B, L, hidden_size).
            packing: E examples per row, or P positions per row.

        Returns:
            (B * E, hidden_size) or (B * P, hidden_size).
        """
        if packing.states is None:
            return self._run(x, packing, selected_only=True)[-1].flatten(-3, -2)
        packing.states += self.hidden_states(x, packing)
        return packing.selected(packing.states[-1]).flatten(-3, -2)

    def hidden_states(self, x: mx.array, packing: Packing) -> list[mx.array]:
        """The output of every layer for every token, each (B, L, hidden_size).

        transformers' `hidden_states` has the embeddings before these.
        """
        return self._run(x, packing, selected_only=False)

    def _run(self, x: mx.array, packing: Packing, selected_only: bool) -> list[mx.array]:
        run = run_checkpointed if self.gradient_checkpointing else run_layer
        last, states = len(self.layer) - 1, []
        # One key per layer, drawn outside of it, so that a second run draws the same masks.
        for i, (layer, key) in enumerate(zip(self.layer, split_keys(last + 1), strict=True)):
            x = run(layer, x, packing, key, selected_only and i == last)
            states.append(x)
        return states


def run_layer(
    layer: nn.Module, x: mx.array, packing: Packing, key: mx.array | None, selected_only: bool
) -> mx.array:
    with dropout_from(key):
        return layer(x, packing, selected_only)


def run_checkpointed(
    layer: nn.Module, x: mx.array, packing: Packing, key: mx.array | None, selected_only: bool
) -> mx.array:
    # All parameters must be arguments of the function: those with a gradient for mx.checkpoint, and
    # frozen ones because the layer may hold other weights at the time of the second run.
    def run(parameters: dict, x: mx.array) -> mx.array:
        with holding(layer, parameters):
            return run_layer(layer, x, packing, key, selected_only)

    return mx.checkpoint(run)(layer.parameters(), x)
