"""The constants of a program by name: from the network, in the form in which they are stored."""

from collections.abc import Iterator

import numpy as np

from mlx_finbert.convert.coreai.form import Form, Int8, in_int8
from mlx_finbert.convert.coreml.network import Linear, Network, Norm

Constant = np.ndarray | Int8

COLUMNS, ROWS = 0, 1
"""Axes along which values share a step: those of an output channel, or of a token."""


def stored_constants(network: Network, form: Form) -> dict[str, Constant]:
    """The weights of a network as a program stores them; those of all lengths are the same.

    A linear layer's weight is (input size, output size), as the product takes it.
    """
    return {name: _stored(name, value, form) for name, value in _weights(network)}


def _stored(name: str, value: np.ndarray, form: Form) -> Constant:
    if not form.is_compressed(name, value):
        return form.stored(value)
    return in_int8(value, ROWS if name == "word_embeddings" else COLUMNS, form)


def _weights(network: Network) -> Iterator[tuple[str, np.ndarray]]:
    yield "word_embeddings", network.word_embeddings
    yield "position_embeddings", network.position_embeddings
    yield from _norm("embeddings_norm", network.embedding_norm)
    for i, layer in enumerate(network.layers):
        for part, value in vars(layer).items():
            named = _norm if isinstance(value, Norm) else _linear
            yield from named(f"layer_{i}_{part}", value)
    yield from _linear("pooler", network.pooler)
    yield from _linear("classifier", network.classifier)


def _linear(name: str, linear: Linear) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}_weight", linear.weight.T
    yield f"{name}_bias", linear.bias


def _norm(name: str, norm: Norm) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}_weight", norm.weight
    yield f"{name}_bias", norm.bias
