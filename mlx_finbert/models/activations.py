"""The activations of the supported checkpoints, under the names that `config.json` uses."""

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.functions import gelu

Activation = Callable[[mx.array], mx.array]

# The tanh form of Hendrycks and Gimpel 2016 has two names in use.
ACTIVATIONS: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_new": nn.gelu_approx,
    "gelu_pytorch_tanh": nn.gelu_approx,
    "relu": nn.relu,
    "silu": nn.silu,
}

ALIASES = {
    "gelu_python": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python_tanh": "gelu_new",
    "swish": "silu",
}
"""Other names of the same functions (`ACT2FN` in `transformers/activations.py`)."""
