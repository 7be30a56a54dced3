"""What MLX computes on, and what differs because of it: told apart here and nowhere else."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

from mlx_finbert.backend import is_plain
from mlx_finbert.blas import SHARES
from mlx_finbert.errors import InputError

_own = threading.local()


def on_linux_cpu() -> bool:
    """Whether to compute in the forms for MLX's CPU backend on Linux.

    Its erf, exp and tanh are scalar, its elementwise operations use one thread, and reading a
    result on the host costs nothing. On macOS both Metal and the CPU have fast functions. The
    environment can turn these forms off: see `backend.py`.
    """
    return sys.platform == "linux" and mx.default_device() == mx.cpu and not is_plain()


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside the block, products of float32 are exact to its 24 bits: on the CPU.

    Every comparison of two models is made in it. MLX multiplies float32 in TF32, of 11 bits, on an
    M5 and on CUDA, unless `MLX_ENABLE_TF32=0` was in the environment before its first product.
    """
    with mx.stream(mx.cpu):
        yield


def apart(x: mx.array) -> mx.array:
    """The same array; on a CPU, what computes it becomes a kernel of its own.

    `mx.compile` fuses up to 11 operations deep, wherever they meet, and g++ leaves a loop over many
    arrays scalar. Short kernels of few arrays are three times as fast, and this copies nothing.
    """
    return mx.contiguous(x) if on_linux_cpu() else x


def refuse_wrong_gradients(hidden_size: int) -> None:
    """Refuse to train a model whose gradients MLX computes wrongly.

    On CUDA the gradient of MLX 0.32.4's layer norm is wrong for widths that 4 does not divide: seen
    on an H200 at 15, 22, 30, 31 and 33; the multiples of 4 tried, up to 1,024, are right.

    Raises:
        InputError: for such a width on CUDA.
    """
    if hidden_size % 4 and mx.cuda.is_available() and mx.default_device() == mx.gpu:
        raise InputError(
            f"the model has a hidden size of {hidden_size}: on CUDA MLX's gradient of a layer norm"
            " is wrong where 4 does not divide it; train on another device"
        )


def hold_memory() -> None:
    """On Metal, keep what is in use in memory, and bound what is kept for reuse.

    As mlx-lm does, the limit is what the system recommends; batches of several lengths leave
    buffers of several sizes behind, for which a quarter of it is enough. Not tried on a Mac.
    """
    if mx.metal.is_available():
        recommended = mx.device_info(mx.gpu)["max_recommended_working_set_size"]
        mx.set_wired_limit(recommended)
        mx.set_cache_limit(recommended // 4)


def first_steps() -> str:
    """What a user who waits for the first steps is told."""
    if on_linux_cpu():
        return "MLX builds new kernels with g++ before the first one, for up to half a minute"
    return "the first ones compile"


def length_multiple() -> int:
    """Batches are padded to multiples of this: tiles of Metal's matrix units.

    A CPU computes any length equally well; there it only bounds how many shapes are traced.
    """
    return 2 if on_linux_cpu() else 8


def streams() -> list[mx.Stream]:
    """Where the parts of a batch are computed side by side; one stream on a GPU, which is full."""
    first = mx.default_stream(mx.default_device())
    if not on_linux_cpu():
        return [first]
    # A stream has a thread, which is never given back: one set for each thread of ours.
    if not hasattr(_own, "others"):
        _own.others = [mx.new_stream(mx.cpu) for _ in range(SHARES - 1)]
    return [first, *_own.others]


def spread(sizes: dict[str, int]) -> dict[str, mx.Stream]:
    """A stream for each array, so that all have about the same number of elements to do."""
    free = streams()
    loads = [0] * len(free)
    chosen = {}
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        least = loads.index(min(loads))
        chosen[name], loads[least] = free[least], loads[least] + sizes[name]
    return chosen
