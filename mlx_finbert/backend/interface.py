"""Functions whose implementation depends on the device.

Metal and CUDA run the plain implementations here; those for MLX's CPU backend on Linux are in
`linux_cpu`.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.backend import cross_entropy as plain_cross_entropy
from mlx_finbert.backend import is_plain
from mlx_finbert.backend.linux_cpu.process import use_fast_blas
from mlx_finbert.errors import InputError
from mlx_finbert.models.parameters import Arrays

Model = TypeVar("Model", bound=nn.Module)


def on_linux_cpu() -> bool:
    """Whether to use `linux_cpu`.

    MLX's CPU backend on Linux computes erf, exp and tanh number by number, and runs elementwise
    operations on one thread. On macOS both Metal and the CPU have fast functions.
    """
    return sys.platform == "linux" and mx.default_device() == mx.cpu and not is_plain()


def adapt(model: Model) -> Model:
    """Replace the layers of a model, in place, by faster ones where needed; return the model.

    Warns where MLX was imported before its fast BLAS on Linux.
    """
    if mx.default_device() == mx.cpu:
        use_fast_blas()
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.layers import swap

        swap(model)
    return model


def compiled_value_and_grad(loss: Callable[..., tuple[mx.array, Any]]) -> Callable[..., Any]:
    """`mx.value_and_grad(loss)`, compiled.

    Args:
        loss: a sum over rows; takes the parameters, a tuple of arrays whose first axis is the rows,
            a dropout key, uint32 (2,), and further arguments; returns a scalar and an array that
            is also a sum over the rows.

    Returns:
        A function of the same arguments that returns the result of the loss and the gradients.
    """
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import value_and_grad_in_shares

        return value_and_grad_in_shares(loss)
    return mx.compile(mx.value_and_grad(loss))


def compile_update(
    update: Callable[..., tuple[Arrays, ...]], sizes: dict[str, int]
) -> Callable[..., tuple[Arrays, ...]]:
    """`mx.compile` for a function that treats each parameter independently.

    Args:
        update: takes a tuple of dictionaries of arrays by parameter name, and further arguments;
            returns dictionaries with the same names, and one with other names.
        sizes: number of elements by parameter name.
    """
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import compile_update_in_shares

        return compile_update_in_shares(update, sizes)
    return mx.compile(update)


def compile_forward(function: Callable[..., mx.array], state: Any) -> list[Callable[..., mx.array]]:
    """Compile a function, once for each batch that is computed at the same time.

    Args:
        function: takes arrays.
        state: other arrays that the function reads, which may change between calls.
    """
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import on_each_stream

        return on_each_stream(function, state)
    return [mx.compile(function, inputs=state)]


def cross_entropy(logits: mx.array, label_ids: mx.array) -> mx.array:
    """The cross-entropy of each row, float32 (N,), of logits (N, V) and labels int32 (N,)."""
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu import cross_entropy as fast

        return fast.cross_entropy(logits, label_ids)
    return plain_cross_entropy.cross_entropy(logits, label_ids)


def squared_norm(arrays: Arrays) -> mx.array:
    """The sum of the squares of all elements, a float32 scalar."""
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import squared_norm_by_blas

        return squared_norm_by_blas(arrays)
    return mx.stack([mx.square(array).sum() for array in arrays.values()]).sum()


def scalar(x: mx.array) -> mx.array:
    """The same scalar, kept out of loops over large arrays, which would compute it every time."""
    return mx.contiguous(x) if on_linux_cpu() else x


def pad_multiple() -> int:
    """The number to whose multiples batches are padded: the tile size of Metal's matrix units.

    A CPU computes any length equally well; there it only limits the number of traced shapes.
    """
    return 2 if on_linux_cpu() else 8


def first_step_note() -> str:
    """A message that explains why the first steps are slow."""
    if on_linux_cpu():
        return "before the first one, MLX may build kernels with g++ for up to half a minute"
    return "the first ones are slower, as MLX compiles kernels"


def refuse_wrong_gradients(hidden_size: int) -> None:
    """Refuse to train a model whose gradients MLX computes wrongly.

    On CUDA the gradient of MLX 0.32.4's layer norm is wrong for widths that are not a multiple of
    4: seen on an H200 at 15, 22, 30, 31 and 33; the multiples of 4 tried, up to 1,024, are right.

    Raises:
        InputError: for such a width on CUDA.
    """
    if hidden_size % 4 and mx.cuda.is_available() and mx.default_device() == mx.gpu:
        raise InputError(
            f"the model has a hidden size of {hidden_size}: on CUDA MLX computes wrong gradients of"
            " layer norms whose width is not a multiple of 4; train on another device"
        )
