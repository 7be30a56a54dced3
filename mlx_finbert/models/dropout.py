"""Dropout whose masks come from one key, given by whoever calls the model.

`nn.Dropout` draws from MLX's global random state. `mx.checkpoint`, which runs a layer a second time
in the backward pass, would draw a second mask there and give the gradient of another network. Here
every layer gets its key before it runs, so a second run draws the same masks; and without a key
there is no dropout, so a model has no mode that a compiled function could freeze.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn


class _Source(threading.local):
    key: mx.array | None = None


_source = _Source()


@contextmanager
def dropout_from(key: mx.array | None) -> Iterator[None]:
    """Inside the block, dropout draws from this key, uint32 (2,); None turns it off."""
    outer, _source.key = _source.key, key
    try:
        yield
    finally:
        _source.key = outer


def next_key() -> mx.array | None:
    """A fresh key of the block's, uint32 (2,); None where dropout is off."""
    if _source.key is None:
        return None
    _source.key, key = mx.random.split(_source.key)
    return key


class Dropout(nn.Module):
    """Zeroes elements at a rate and scales the others up (Srivastava et al. 2014)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    @property
    def is_on(self) -> bool:
        """Whether the next call will change anything."""
        return self.rate > 0 and _source.key is not None

    def __call__(self, x: mx.array) -> mx.array:
        """Any shape and dtype; the same out."""
        if not self.is_on:
            return x
        keep = mx.random.bernoulli(1 - self.rate, x.shape, key=next_key())
        return mx.where(keep, x * (1 / (1 - self.rate)), 0)
