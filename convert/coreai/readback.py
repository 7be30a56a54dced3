"""Reads the weights of a saved program back: each must be in the file, byte for byte."""

from collections.abc import Iterator

import numpy as np

from mlx_finbert.convert.coreai.constants import stored_constants
from mlx_finbert.convert.coreai.form import Form, Int8
from mlx_finbert.convert.coreml.network import Network

START = 64
"""Bytes by which a weight is looked for; where they are found, all of it is compared."""


def missing_weights(program: bytes, network: Network, lengths: list[int], form: Form) -> list[str]:
    """Name the weights of a network that a program does not hold as its form stores them."""
    return [
        f"the weight {name} in the program is not the model's"
        for name, value in _arrays(network, lengths, form)
        if not _holds(program, value)
    ]


def _arrays(network: Network, lengths: list[int], form: Form) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in stored_constants(network, form).items():
        if isinstance(value, Int8):
            yield name, value.values
            yield f"{name}'s steps", value.steps
        elif name == "position_embeddings" and network.counted_padding is None:
            yield name, value[: max(lengths)]
        else:
            yield name, value


def _holds(program: bytes, value: np.ndarray) -> bool:
    if (value == value.flat[0]).all():
        # The file has one number for all.
        return value.flat[:1].tobytes() in program
    wanted = value.tobytes()
    at = program.find(wanted[:START])
    while at >= 0:
        if program[at : at + len(wanted)] == wanted:
            return True
        at = program.find(wanted[:START], at + 1)
    return False
