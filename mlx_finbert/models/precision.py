"""Products that are exact to float32, for comparing models and for fusing adapters."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside the block, products of float32 are exact to its 24 bits: on the CPU.

    Every comparison of two models is made in it. MLX multiplies float32 in TF32, of 11 bits, on an
    M5 and on CUDA, unless `MLX_ENABLE_TF32=0` was in the environment before its first product.
    """
    with mx.stream(mx.cpu):
        yield
