"""The switch between the two ways to compute: MLX's own functions, or those of `linux_cpu`.

`MLX_FINBERT_BACKEND=plain` makes any command or test on Linux take the path that Metal runs.
"""

import os

from mlx_finbert.errors import InputError

VARIABLE = "MLX_FINBERT_BACKEND"
PLAIN = "plain"


def is_plain() -> bool:
    """Whether the environment asks for MLX's own functions everywhere."""
    return os.environ.get(VARIABLE) == PLAIN


def check_backend() -> None:
    """Refuse a misspelt switch.

    Raises:
        InputError: names the variable and its value.
    """
    value = os.environ.get(VARIABLE, "")
    if value not in ("", PLAIN):
        raise InputError(
            f"{VARIABLE} is {value!r} in the environment: set it to {PLAIN}, for the path that"
            " Metal runs, or unset it"
        )
