"""The parts of a training step, each as a function that computes it alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import mlx_finbert  # noqa: F401  (before mlx: it brings the fast BLAS on Linux)
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.device import streams
from mlx_finbert.models import build
from mlx_finbert.models.dropout import Dropout, dropout_from
from mlx_finbert.models.functions import LayerNorm, attention_probabilities, gelu
from mlx_finbert.training.gradients import named_parameters
from mlx_finbert.training.groups import make_groups
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam
from mlx_finbert.training.step import TrainStep

MODELS = {
    "minilm": {
        "model_type": "bert",
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "intermediate_size": 1536,
    },
    "distilbert": {"model_type": "distilbert"},
    "bert": {"model_type": "bert"},
}
"""Sizes, by what differs from their config's defaults."""

VOCAB_SIZE = 4600
"""Rows of the word table that learn: what Financial PhraseBank looks up."""

Run = Callable[[], None]


def a_step(name: str, batch_size: int, length: int) -> tuple[TrainStep, Update]:
    """A step over a model with random weights, and a batch without padding."""
    labels = dict(enumerate(("negative", "neutral", "positive")))
    model = build(MODELS[name] | {"vocab_size": VOCAB_SIZE, "id2label": labels})
    groups = make_groups(named_parameters(model), len(model.encoder.layer))
    step = TrainStep(model, groups, Adam(weight_decay=0.01), Loss(np.ones(3, np.float32)))
    rng = np.random.default_rng(0)
    batch = Batch(
        input_ids=rng.integers(5, VOCAB_SIZE, (batch_size, length)).astype(np.int32),
        attention_mask=np.ones((batch_size, length), np.int32),
        labels=rng.integers(0, 3, batch_size).astype(np.int32),
        weights=np.ones(batch_size, np.float32),
        rows=np.arange(batch_size),
    )
    return step, Update(batch.rows, batch.labels, [batch])


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


def products(args: Any, batch_size: int, length: int) -> Run:
    """The matrix products of a step: those of the linear layers, and those of attention."""
    import mlx.core as mx

    rows = batch_size // len(streams())
    hidden, inner, heads, layers = sizes(args)
    made: dict[tuple[int, ...], mx.array] = {}

    def array(*shape: int) -> mx.array:
        if shape not in made:
            made[shape] = mx.random.normal(shape)
            mx.eval(made[shape])
        return made[shape]

    def linear(count: int, inside: int, outside: int) -> Iterator[mx.array]:
        x, w, g = array(count, inside), array(outside, inside), array(count, outside)
        yield from (x @ w.T, g @ w, g.T @ x)

    def attention(queries: int) -> Iterator[mx.array]:
        q, k = (array(rows, heads, n, hidden // heads) for n in (queries, length))
        p = array(rows, heads, queries, length)
        yield from (q @ k.swapaxes(-1, -2), p @ k, p @ k, p.swapaxes(-1, -2) @ q)
        yield from (q @ k.swapaxes(-1, -2), p.swapaxes(-1, -2) @ q)

    def layer(first_only: bool) -> Iterator[mx.array]:
        every, wanted = rows * length, rows if first_only else rows * length
        if first_only:
            yield from linear(wanted, hidden, hidden)
            yield from linear(every, hidden, 2 * hidden)
        else:
            yield from linear(every, hidden, 3 * hidden)
        yield from attention(1 if first_only else length)
        yield from linear(wanted, hidden, hidden)
        yield from linear(wanted, hidden, inner)
        yield from linear(wanted, inner, hidden)

    def run() -> None:
        for i in range(layers):
            computed = []
            for stream in streams():
                with mx.stream(stream):
                    computed.append(list(layer(i == layers - 1)))
            # The streams in turn: MLX begins what is named first.
            mx.eval([pair for pairs in zip(*computed, strict=True) for pair in pairs])

    return run


def kinds(step: TrainStep, update: Update, batch_size: int, length: int) -> dict[str, Run]:
    """The other kinds of operation, forward and backward, each over all layers."""
    import mlx.core as mx

    hidden, inner, heads, layers = sizes(step.model.args)
    rows = batch_size // len(streams())
    mask = mx.ones((1, 1, 1, length), mx.bool_)
    scores = mx.random.normal((rows, heads, length, length))
    states = mx.random.normal((rows, length, hidden))
    layer_norm, dropout = LayerNorm(hidden), Dropout(0.1)

    def dropped(x: mx.array) -> mx.array:
        with dropout_from(mx.random.key(0)):
            return dropout(x)

    step(update, 0, 1e-5)
    gradients, sums = step._gradients_of(update, 0, float(batch_size), False)
    mx.eval(gradients, sums)
    return {
        "gelu": side_by_side(gelu, mx.random.normal((rows * length, inner)), layers - 1),
        "softmax": side_by_side(
            lambda x: attention_probabilities(x, mask, 0.1), scores, layers - 1
        ),
        "layer norm": side_by_side(layer_norm, states, 2 * layers - 1),
        "dropout": in_turn(
            side_by_side(dropped, scores, layers - 1),
            side_by_side(dropped, states, 2 * layers - 1),
        ),
        "Adam": lambda: mx.eval(step._moved(gradients, sums, 1e-5)),
    }


def in_turn(*runs: Run) -> Run:
    """One after the other."""

    def run() -> None:
        for each in runs:
            each()

    return run


def side_by_side(function: Callable[[Any], Any], x: Any, times: int) -> Run:
    """Value and derivative, so many times, on each stream."""
    import mlx.core as mx

    def on(stream: mx.Stream) -> Callable[..., Any]:
        def both(x: mx.array, cotangent: mx.array) -> list[mx.array]:
            with mx.stream(stream):
                values, gradients = mx.vjp(function, [x], [cotangent])
            return [*values, *gradients]

        return mx.compile(both)

    compiled = [on(stream) for stream in streams()]
    cotangent = mx.random.normal(x.shape)

    def run() -> None:
        for _ in range(times):
            mx.eval([both(x, cotangent) for both in compiled])

    return run
