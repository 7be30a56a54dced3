"""The activations of the supported checkpoints, under the names that `config.json` uses."""

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.functions import gelu

Activation = Callable[[mx.array], mx.array]

# `gelu_new` and `gelu_pytorch_tanh` are one function: the tanh form of Hendrycks and Gimpel 2016.
ACTIVATIONS: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_new": nn.gelu_approx,
    "gelu_pytorch_tanh": nn.gelu_approx,
    "relu": nn.relu,
    "silu": nn.silu,
}
