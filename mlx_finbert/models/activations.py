"""Activation functions of the supported checkpoints, by their names in `config.json`."""

from collections.abc import Callable
from functools import partial

import mlx.nn as nn

# The tanh approximation (Hendrycks and Gimpel 2016) has two names in use.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_new": partial(nn.GELU, approx="precise"),
    "gelu_pytorch_tanh": partial(nn.GELU, approx="precise"),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}

ALIASES = {
    "gelu_python": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python_tanh": "gelu_new",
    "swish": "silu",
}
"""Other names of the same functions (`ACT2FN` in `transformers/activations.py`)."""
