"""Dropout whose masks come from a key that the caller of the model passes.

`nn.Dropout` draws from MLX's global random state. `mx.checkpoint`, which runs a layer a second time
in the backward pass, would then draw a different mask and compute a wrong gradient. Here every
layer gets its key before it runs, so a second run draws the same masks. Without a key there is no
dropout, so a model has no training mode that a compiled function could freeze.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.config import ClassifierArgs

LEVELS = 2**16
"""A mask uses 16 random bits per element, half as many as `mx.random.bernoulli`."""


class _Source(threading.local):
    key: mx.array | None = None
    drawn = 0


_source = _Source()


@contextmanager
def dropout_from(key: mx.array | None) -> Iterator[None]:
    """Draw dropout masks inside the block from this key, uint32 (2,); None turns dropout off."""
    outer = _source.key, _source.drawn
    _source.key, _source.drawn = key, 0
    try:
        yield
    finally:
        _source.key, _source.drawn = outer


def next_key() -> mx.array | None:
    """A new key of the current block, uint32 (2,); None if dropout is off.

    This is the block's key plus a counter: with Threefry (Salmon et al. 2011), MLX's generator, a
    counter is enough for independent numbers.
    """
    if _source.key is None:
        return None
    _source.drawn += 1
    return _source.key + mx.array([0, _source.drawn], mx.uint32)


def split_keys(number: int) -> list[mx.array | None]:
    """New keys for blocks inside the current one."""
    key = next_key()
    return [None] * number if key is None else list(mx.random.split(key, number))


class Dropout(nn.Module):
    """Zero elements at random and scale the others up (Srivastava et al. 2014).

    The rate is rounded to a multiple of 2^-16 below 1, and the scale matches the rounded rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    @property
    def is_on(self) -> bool:
        """Whether the next call drops elements."""
        return self.rate > 0 and _source.key is not None

    @property
    def dropped(self) -> int:
        """The number of levels, out of `LEVELS`, that are dropped."""
        return min(round(self.rate * LEVELS), LEVELS - 1)

    @property
    def scale(self) -> float:
        """The factor of kept elements: 1 / (1 - the rounded rate)."""
        return LEVELS / (LEVELS - self.dropped)

    def draw(self, shape: Sequence[int]) -> mx.array:
        """Draw which elements to keep, bool of this shape; only while dropout `is_on`."""
        key = next_key()
        if key is None:
            raise RuntimeError("dropout is off: there is no key to draw from")
        return random_levels(shape, key) >= self.dropped

    def __call__(self, x: mx.array) -> mx.array:
        """Apply dropout to any shape and dtype, which are kept."""
        if not self.is_on:
            return x
        return mx.where(self.draw(x.shape), x * self.scale, 0)


def random_levels(shape: Sequence[int], key: mx.array) -> mx.array:
    """Random integers from 0 to LEVELS - 1, uint16 of this shape."""
    size = math.prod(shape)
    # A key is two words of 32 bits; splitting is the only access to MLX's raw random bits.
    levels = mx.random.split(key, -(-size // 4)).view(mx.uint16)
    if size % 4:
        levels = levels.flatten()[:size]
    return levels.reshape(shape)


@dataclass(frozen=True, kw_only=True)
class DropoutRates:
    """Rates to use instead of a checkpoint's: from 0 to below 1; None keeps the checkpoint's."""

    hidden: float | None = None
    """Rate of the embeddings and of the layers' outputs."""
    attention: float | None = None
    """Rate of the attention probabilities."""
    head: float | None = None
    """Rate before the classifier. With None, a BERT or RoBERTa whose config has no rate of its own
    uses `hidden`, as in transformers."""

    def in_config(self, family: type[ClassifierArgs]) -> dict[str, float]:
        """Return the given rates under the keys that a family's config has for them."""
        rates = zip(family.dropout_keys, (self.hidden, self.attention, self.head), strict=True)
        return {key: rate for key, rate in rates if rate is not None}
