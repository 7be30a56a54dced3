"""What differs by what MLX computes on, and nothing else.

Of each pair the plain way is what Metal and CUDA run; the other one is in `linux_cpu`.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.backend.choice import is_plain
from mlx_finbert.errors import InputError

Arrays = dict[str, mx.array]
Model = TypeVar("Model", bound=nn.Module)


def on_linux_cpu() -> bool:
    """Whether `linux_cpu` serves: there erf, exp and tanh are scalar, and elementwise operations
    use one thread. On macOS both Metal and the CPU have fast functions."""
    return sys.platform == "linux" and mx.default_device() == mx.cpu and not is_plain()


def adapt(model: Model) -> Model:
    """The same model, its layers in the forms that are fast; those that are already stay."""
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.layers import swap

        swap(model)
    return model


def compiled_value_and_grad(loss: Callable[..., tuple[mx.array, Any]]) -> Callable[..., Any]:
    """`mx.value_and_grad(loss)`, compiled.

    Args:
        loss: a sum over rows; takes the parameters, a tuple of arrays whose first axis is the rows,
            a key of dropout, uint32 (2,), and whatever else; returns a scalar and an array that is
            a sum over the rows too.

    Returns:
        A function of the same arguments, which gives what the loss gives, and the gradients.
    """
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import value_and_grad_in_shares

        return value_and_grad_in_shares(loss)
    return mx.compile(mx.value_and_grad(loss))


def compile_update(
    update: Callable[..., tuple[Arrays, ...]], sizes: dict[str, int]
) -> Callable[..., tuple[Arrays, ...]]:
    """`mx.compile` for a function that treats each parameter alone.

    Args:
        update: takes a tuple of dictionaries of arrays by the names of the parameters, and
            whatever else; returns dictionaries of the same names, and one without them.
        sizes: of the parameters.
    """
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import compile_update_in_shares

        return compile_update_in_shares(update, sizes)
    return mx.compile(update)


def compile_forward(function: Callable[..., mx.array], state: Any) -> list[Callable[..., mx.array]]:
    """The function compiled, once for each batch that is to be computed at a time.

    Args:
        function: of arrays.
        state: what it reads besides, which may change between two calls.
    """
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import forward_on_each_stream

        return forward_on_each_stream(function, state)
    return [mx.compile(function, inputs=state)]


def squared_norm(arrays: Arrays) -> mx.array:
    """The sum of the squares of all numbers, a float32 scalar."""
    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.parallel import squared_norm_by_blas

        return squared_norm_by_blas(arrays)
    return mx.stack([mx.square(array).sum() for array in arrays.values()]).sum()


def scalar(x: mx.array) -> mx.array:
    """The same scalar, which the loops over large arrays that read it do not compute anew."""
    return mx.contiguous(x) if on_linux_cpu() else x


def pad_multiple() -> int:
    """Batches are padded to multiples of this: tiles of Metal's matrix units.

    A CPU computes any length equally well; there it only bounds how many shapes are traced.
    """
    return 2 if on_linux_cpu() else 8


def first_step_note() -> str:
    """What a user who waits for the first steps is told."""
    if on_linux_cpu():
        return "MLX builds new kernels with g++ before the first one, for up to half a minute"
    return "the first ones compile"


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
