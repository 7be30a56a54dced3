"""The devices that MLX computes on, and the choice between MLX's own functions and `linux_cpu`.

Metal and CUDA run MLX's own functions, and the models are written with these. Some of them are slow
on MLX's CPU backend for Linux, so the package `linux_cpu` has replacements. Code outside of this
package does not check the device: it calls `interface.py`. Commands call `process.py` first.

With `MLX_FINBERT_BACKEND=plain`, any command or test on Linux runs the same code as on Metal.
"""

import os

from mlx_finbert.errors import InputError

VARIABLE = "MLX_FINBERT_BACKEND"
PLAIN = "plain"


def is_plain() -> bool:
    """Whether the environment variable asks for MLX's own functions everywhere."""
    return os.environ.get(VARIABLE) == PLAIN


def check_backend() -> None:
    """Check the value of the environment variable.

    Raises:
        InputError: for an unknown value.
    """
    value = os.environ.get(VARIABLE, "")
    if value not in ("", PLAIN):
        raise InputError(
            f"{VARIABLE} is {value!r} in the environment: set it to {PLAIN}, to run the same code"
            " as on Metal, or unset it"
        )
