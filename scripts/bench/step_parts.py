"""A training step, and each kind of operation in it as a function that computes it alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from step_products import in_a_row, sizes

from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.device import streams
from mlx_finbert.inference.logits import Forward
from mlx_finbert.models import Classifier, build
from mlx_finbert.models.attention import attend
from mlx_finbert.models.dropout import Dropout, dropout_from
from mlx_finbert.models.functions import LayerNorm, gelu
from mlx_finbert.models.packing import Packing
from mlx_finbert.training.gradients import named_parameters
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam, make_groups
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
"""Rows of the word table that learn, whatever the shape: what Financial PhraseBank looks up."""

Run = Callable[[], None]


def a_model(name: str) -> Classifier:
    """Random weights."""
    labels = dict(enumerate(("negative", "neutral", "positive")))
    return build(MODELS[name] | {"vocab_size": VOCAB_SIZE, "id2label": labels})


def a_batch(batch_size: int, length: int) -> Batch:
    """Random tokens, without padding."""
    rng = np.random.default_rng(0)
    return Batch(
        input_ids=rng.integers(5, VOCAB_SIZE, (batch_size, length)).astype(np.int32),
        attention_mask=np.ones((batch_size, length), np.int32),
        labels=rng.integers(0, 3, batch_size).astype(np.int32),
        weights=np.ones(batch_size, np.float32),
        rows=np.arange(batch_size),
    )


def a_step(name: str, batch_size: int, length: int) -> tuple[TrainStep, Update]:
    """A step over a model, and a batch for it."""
    model, batch = a_model(name), a_batch(batch_size, length)
    groups = make_groups(named_parameters(model), len(model.encoder.layer))
    step = TrainStep(model, groups, Adam(weight_decay=0.01), Loss(np.ones(3, np.float32)))
    return step, Update(batch.rows, batch.rows + 1, batch.labels, [batch])


def steps(step: TrainStep, update: Update, number: int) -> None:
    """So many in a row, as in training, where the host is one ahead; the last one to its end."""
    import mlx.core as mx

    for _ in range(number):
        step(update, 0, 1e-5)
    mx.eval(step._parameters(), step.state)


def forwards(forward: Forward, batch: Batch, number: int) -> None:
    """So many passes in a row, of a batch on each stream, as in prediction."""
    in_a_row([forward(batch, i) for i in range(len(streams()))] for _ in range(number))


def kinds(step: TrainStep, update: Update) -> dict[str, Run]:
    """The other kinds of operation, forward and backward, each over all layers.

    Attention is timed with its products. The last layer's count as nothing, since it computes one
    row; the embeddings have a layer norm and a dropout too.
    """
    import mlx.core as mx

    hidden, inner, heads, layers = sizes(step.model.args)
    batch_size, length = update.batches[0].input_ids.shape
    rows, whole_layers = batch_size // len(streams()), layers - 1
    of_heads = [mx.random.normal((rows, heads, length, hidden // heads)) for _ in range(3)]
    states = mx.random.normal((rows, length, hidden))
    norm = [states, mx.ones(hidden), mx.zeros(hidden)]

    def in_layers(kind: type) -> int:
        modules = step.model.encoder.layer[0].modules()
        return whole_layers * sum(isinstance(module, kind) for module in modules) + 1

    return {
        "gelu": side_by_side(gelu, [mx.random.normal((rows, length, inner))], whole_layers),
        "attention": side_by_side(attended, of_heads, whole_layers),
        "layer norm": side_by_side(normalized, norm, in_layers(LayerNorm)),
        "dropout": side_by_side(dropped, [states], in_layers(Dropout) - whole_layers),
        "update": update_alone(step, update),
    }


def attended(queries: Any, keys: Any, values: Any) -> Any:
    """Attention without padding, a tenth of its probabilities zeroed."""
    import mlx.core as mx

    packing = Packing(mx.ones((1, keys.shape[-2]), mx.int32))
    with dropout_from(mx.random.key(0)):
        return attend(queries, keys, values, packing, Dropout(0.1))


def normalized(x: Any, weight: Any, bias: Any) -> Any:
    """Layer norm with these for its parameters."""
    layer_norm = LayerNorm(x.shape[-1])
    layer_norm.update({"weight": weight, "bias": bias})
    return layer_norm(x)


def dropped(x: Any) -> Any:
    """A tenth of x zeroed."""
    import mlx.core as mx

    with dropout_from(mx.random.key(0)):
        return Dropout(0.1)(x)


def update_alone(step: TrainStep, update: Update) -> Run:
    """What follows the gradients: sum, norm, and Adam in the memory of the arrays before."""
    import mlx.core as mx

    steps(step, update, 1)
    gradients, sums = step._gradients_of(update, 0, float(len(update.rows)), False)
    mx.eval(gradients, sums)

    def run() -> None:
        moved, state, _ = step._moved(gradients, sums, 1e-5)
        step._take(moved, state)
        del moved, state
        mx.eval(step._parameters(), step.state)

    return run


def side_by_side(function: Callable[..., Any], arrays: Sequence[Any], times: int) -> Run:
    """Value and all derivatives, so many times, on each stream."""
    import mlx.core as mx

    def on(stream: mx.Stream) -> Callable[..., Any]:
        def both(cotangent: mx.array, *arrays: mx.array) -> list[mx.array]:
            with mx.stream(stream):
                values, gradients = mx.vjp(function, arrays, [cotangent])
            return [*values, *gradients]

        return mx.compile(both)

    compiled = [on(stream) for stream in streams()]
    cotangent = mx.random.normal(function(*arrays).shape)

    def run() -> None:
        in_a_row([both(cotangent, *arrays) for both in compiled] for _ in range(times))

    return run
