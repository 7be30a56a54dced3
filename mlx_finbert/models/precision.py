"""Matrix products in full float32 precision, to compare models and to merge adapters."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute on the CPU inside the block, where float32 products have their full 24 bits.

    Every comparison of two models uses this. On an M5 and on CUDA, MLX multiplies float32 in TF32,
    of 11 bits, unless `MLX_ENABLE_TF32=0` was in the environment before its first product.
    """
    with mx.stream(mx.cpu):
        yield
