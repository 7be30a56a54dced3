"""The bare matrix products of a training step: of the linear layers, and of attention."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import mlx_finbert  # noqa: F401  (before mlx: it brings the fast BLAS on Linux)
from mlx_finbert.device import streams


def sizes(args: Any) -> tuple[int, int, int, int]:
    """Hidden size, that of the feed-forward part, heads and layers."""
    if args.model_type == "distilbert":
        return args.dim, args.hidden_dim, args.n_heads, args.n_layers
    return (
        args.hidden_size,
        args.intermediate_size,
        args.num_attention_heads,
        args.num_hidden_layers,
    )


class Products:
    """Those of one part of a batch, in the shapes of a step, forward and backward."""

    def __init__(self, args: Any, rows: int, length: int, backward: bool = True) -> None:
        """For so many rows on each stream."""
        self.hidden, self.inner, self.heads, self.layers = sizes(args)
        self.rows, self.length, self.backward = rows, length, backward
        self._made: dict[tuple[int, ...], Any] = {}

    def __call__(self, times: int) -> None:
        """Compute them so many times, on all streams, a layer after the other."""
        layers = [partial(self.layer, i) for i in range(self.layers)]
        in_a_row(self._on_all_streams(layer) for _ in range(times) for layer in layers)

    def attention(self) -> None:
        """Those of attention alone, of all whole layers, on all streams."""
        whole_layer = partial(self._attention, self.length)
        in_a_row(self._on_all_streams(whole_layer) for _ in range(self.layers - 1))

    def _on_all_streams(self, products: Callable[[], Iterator[Any]]) -> list[Any]:
        import mlx.core as mx

        computed = []
        for stream in streams():
            with mx.stream(stream):
                computed.append(list(products()))
        # The streams in turn: MLX begins what is named first.
        return [product for products in zip(*computed, strict=True) for product in products]

    def layer(self, number: int) -> Iterator[Any]:
        """Of the last one, queries and all that follows for the first row alone."""
        last, every = number == self.layers - 1, self.rows * self.length
        wanted = self.rows if last else every
        if last:
            yield from self._linear(wanted, self.hidden, self.hidden)
            yield from self._linear(every, self.hidden, 2 * self.hidden)
        else:
            yield from self._linear(every, self.hidden, 3 * self.hidden)
        yield from self._attention(1 if last else self.length)
        yield from self._linear(wanted, self.hidden, self.hidden)
        yield from self._linear(wanted, self.hidden, self.inner)
        yield from self._linear(wanted, self.inner, self.hidden)

    def _linear(self, count: int, inside: int, outside: int) -> Iterator[Any]:
        x, w, g = (self._array(*s) for s in ((count, inside), (outside, inside), (count, outside)))
        yield x @ w.T
        if self.backward:
            yield from (g @ w, g.T @ x)

    def _attention(self, queries: int) -> Iterator[Any]:
        head_size = self.hidden // self.heads
        q, k = (self._array(self.rows, self.heads, n, head_size) for n in (queries, self.length))
        p = self._array(self.rows, self.heads, queries, self.length)
        yield from (q @ k.swapaxes(-1, -2), p @ k)
        if self.backward:
            to_p, to_values = q @ k.swapaxes(-1, -2), p.swapaxes(-1, -2) @ q
            to_queries, to_keys = p @ k, p.swapaxes(-1, -2) @ q
            yield from (to_p, to_values, to_queries, to_keys)

    def _array(self, *shape: int) -> Any:
        import mlx.core as mx

        if shape not in self._made:
            self._made[shape] = mx.random.normal(shape)
            mx.eval(self._made[shape])
        return self._made[shape]


def in_a_row(parts: Iterable[list[Any]]) -> None:
    """Compute one after the other; the host hands the next one over while one is computed.

    Not all at once, as MLX takes the memory of what is handed over.
    """
    import mlx.core as mx

    before: list[Any] = []
    for part in parts:
        mx.async_eval(part)
        mx.eval(before)
        before = part
    mx.eval(before)
