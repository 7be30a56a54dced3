"""Computation on two streams in parallel, since elementwise operations use one thread.

Each stream has its own thread, and each product uses half of the cores (`process.py`). Each stream
also has its own compiled functions: in a shared graph MLX would merge common operations, and it
does not fuse across streams.
"""

import operator
import threading
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import mlx.core as mx

from mlx_finbert.backend.linux_cpu.process import SHARES
from mlx_finbert.models.parameters import Arrays

_own = threading.local()


def streams() -> list[mx.Stream]:
    """The streams for the shares of a batch."""
    # MLX never frees the thread of a stream, so keep one set for each calling thread.
    if not hasattr(_own, "others"):
        _own.others = [mx.new_stream(mx.cpu) for _ in range(SHARES - 1)]
    return [mx.default_stream(mx.default_device()), *_own.others]


def spread(sizes: dict[str, int]) -> list[list[str]]:
    """Distribute names over the streams, with about the same number of elements for each."""
    loads = [0] * SHARES
    chosen: list[list[str]] = [[] for _ in range(SHARES)]
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        least = loads.index(min(loads))
        chosen[least].append(name)
        loads[least] += sizes[name]
    return chosen


def on_each_stream(function: Callable[..., Any], state: Any = None) -> list[Callable[..., Any]]:
    """Compile a function for each stream; also implements `interface.compile_forward`.

    Each stream traces each shape once.
    """

    def compiled_for(number: int) -> Callable[..., Any]:
        @partial(mx.compile, inputs=state)
        def compiled(*arguments: Any) -> Any:
            # Look up the stream here: it is only valid in the thread that made it.
            with mx.stream(streams()[number]):
                return function(*arguments)

        return compiled

    return [compiled_for(number) for number in range(SHARES)]


def value_and_grad_in_shares(loss: Callable[..., tuple[mx.array, Any]]) -> Callable[..., Any]:
    """Implement `interface.compiled_value_and_grad`, with every second row on the second stream."""
    shares = on_each_stream(mx.value_and_grad(loss))
    add = mx.compile(added)

    def value_and_grad(
        parameters: Arrays, rows: tuple[mx.array, ...], key: mx.array, *more: mx.array
    ) -> tuple[tuple[mx.array, Any], Arrays]:
        count = min(SHARES, len(rows[0]))
        keys = mx.random.split(key, count)
        found = [
            shares[i](parameters, tuple(x[i::count] for x in rows), keys[i], *more)
            for i in range(count)
        ]
        values = zip(*(value for value, _ in found), strict=True)
        summed = tuple(reduce(operator.add, parts) for parts in values)
        return summed, add([gradients for _, gradients in found])

    return value_and_grad


def added(parts: list[Arrays]) -> Arrays:
    """The sum of each gradient over the parts."""
    sums: Arrays = {}
    for stream, names in zip(streams(), spread(sizes_of(parts[0])), strict=True):
        with mx.stream(stream):
            sums |= {name: reduce(operator.add, [part[name] for part in parts]) for name in names}
    return {name: sums[name] for name in parts[0]}


def compile_update_in_shares(
    update: Callable[..., tuple[Arrays, ...]], sizes: dict[str, int]
) -> Callable[..., tuple[Arrays, ...]]:
    """Implement `interface.compile_update`, with half of the elements on each stream."""
    shares = [
        (names, share)
        for names, share in zip(spread(sizes), on_each_stream(update), strict=True)
        if names
    ]

    def run(by_name: tuple[Arrays, ...], *more: Any) -> tuple[Arrays, ...]:
        found = [
            share(tuple({name: arrays[name] for name in names} for arrays in by_name), *more)
            for names, share in shares
        ]
        return tuple(reduce(operator.or_, parts) for parts in zip(*found, strict=True))

    return run


def squared_norm_by_blas(arrays: Arrays) -> mx.array:
    """Implement `interface.squared_norm`, twenty times as fast as the backend's own sum."""
    vectors = [array for array in arrays.values() if array.ndim <= 1]
    matrices = {name: array for name, array in arrays.items() if array.ndim > 1}
    squares = [product_with_itself(mx.concatenate(vectors))] if vectors else []
    for stream, names in zip(streams(), spread(sizes_of(matrices)), strict=True):
        with mx.stream(stream):
            squares += [product_with_itself(matrices[name]) for name in names]
    return mx.concatenate(squares).sum()


def product_with_itself(array: mx.array) -> mx.array:
    """The sum of the squares, of shape (1, 1)."""
    row = array.reshape(1, -1)
    return row @ row.T


def sizes_of(arrays: Arrays) -> dict[str, int]:
    return {name: array.size for name, array in arrays.items()}
