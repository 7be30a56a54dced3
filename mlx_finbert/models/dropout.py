"""Dropout whose masks come from one key, given by whoever calls the model.

`nn.Dropout` draws from MLX's global random state. `mx.checkpoint`, which runs a layer a second time
in the backward pass, would draw a second mask there and give the gradient of another network. Here
every layer gets its key before it runs, so a second run draws the same masks; and without a key
there is no dropout, so a model has no mode that a compiled function could freeze.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn

LEVELS = 2**16
"""A mask takes 16 random bits an element, half of what `mx.random.bernoulli` takes."""


class _Source(threading.local):
    key: mx.array | None = None
    drawn = 0


_source = _Source()


@contextmanager
def dropout_from(key: mx.array | None) -> Iterator[None]:
    """Inside the block, dropout draws from this key, uint32 (2,); None turns it off."""
    outer = _source.key, _source.drawn
    _source.key, _source.drawn = key, 0
    try:
        yield
    finally:
        _source.key, _source.drawn = outer


def next_key() -> mx.array | None:
    """A fresh key of the block's, uint32 (2,); None where dropout is off.

    The block's key with a count added: a counter is all that Threefry (Salmon et al. 2011), MLX's
    generator, needs for numbers that have nothing in common.
    """
    if _source.key is None:
        return None
    _source.drawn += 1
    return _source.key + mx.array([0, _source.drawn], mx.uint32)


def split_keys(number: int) -> list[mx.array | None]:
    """Fresh keys for blocks inside of this one."""
    key = next_key()
    return [None] * number if key is None else list(mx.random.split(key, number))


class Dropout(nn.Module):
    """Zeroes elements at a rate and scales the others up (Srivastava et al. 2014).

    The rate is rounded to a multiple of 2^-16 below 1, and the scale is that of the rounded rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    @property
    def is_on(self) -> bool:
        """Whether the next call will change anything."""
        return self.rate > 0 and _source.key is not None

    @property
    def dropped(self) -> int:
        """How many of the LEVELS are dropped."""
        return min(round(self.rate * LEVELS), LEVELS - 1)

    @property
    def scale(self) -> float:
        """What is kept is multiplied by this: 1 / (1 - the rounded rate)."""
        return LEVELS / (LEVELS - self.dropped)

    def draw(self, shape: Sequence[int]) -> mx.array:
        """Which elements are kept, bool of that shape. For where it `is_on`."""
        key = next_key()
        if key is None:
            raise RuntimeError("dropout is off here: it has no key to draw from")
        return random_levels(shape, key) >= self.dropped

    def __call__(self, x: mx.array) -> mx.array:
        """Any shape and dtype; the same out."""
        if not self.is_on:
            return x
        return mx.where(self.draw(x.shape), x * self.scale, 0)


def random_levels(shape: Sequence[int], key: mx.array) -> mx.array:
    """Evenly distributed over 0 to LEVELS - 1, uint16 of that shape."""
    size = math.prod(shape)
    # Two words of 32 bits a key, the one way to MLX's bare random bits.
    levels = mx.random.split(key, -(-size // 4)).view(mx.uint16)
    if size % 4:
        levels = levels.flatten()[:size]
    return levels.reshape(shape)
