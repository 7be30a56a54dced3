"""The gradients of one batch, compiled, its shares side by side where the device has room."""

import operator
from collections.abc import Callable, Sequence
from functools import reduce

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from mlx_finbert.data.loader import Batch
from mlx_finbert.device import on_linux_cpu, spread, streams
from mlx_finbert.models import Classifier
from mlx_finbert.models.encoder import holding
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.loss_scale import Precision, cast
from mlx_finbert.training.optimizer import Arrays

Rows = tuple[mx.array, mx.array, mx.array, mx.array]
"""Ids, mask, labels and weights, on the device."""


class Gradients:
    """The gradient of the summed loss with respect to the parameters that learn.

    Traced once for each shape of a batch, by each stream. Whatever is not an argument is frozen at
    its value when this is made: the parameters that do not learn, the class weights, the precision.
    """

    def __init__(self, model: Classifier, loss: Loss, frozen: Arrays, precision: Precision) -> None:
        """
        Args:
            model: the architecture.
            loss: of a batch.
            frozen: the parameters that do not learn.
            precision: of the forward and backward passes.
        """
        # Not a number of this object's: the function below would hold the object, and a cycle keeps
        # old traces and frozen weights in memory.
        traced = self._traced = []
        dtype = getattr(mx, precision)
        frozen = cast(frozen, dtype)
        mx.eval(frozen)

        def loss_of(
            parameters: Arrays, rows: Rows, key: mx.array, factor: mx.array
        ) -> tuple[mx.array, mx.array]:
            input_ids, attention_mask, labels, weights = rows
            examples = len(labels) // len(input_ids)
            with holding(model, tree(frozen | cast(parameters, dtype))):
                logits = model(input_ids, attention_mask, dropout_key=key, examples=examples)
            summed = loss.sum(logits, labels, weights)
            correct = ((logits.argmax(axis=-1) == labels) * weights).sum()
            return summed * factor, mx.stack([summed, correct])

        def gradients_on(number: int) -> Callable[..., tuple[Arrays, mx.array]]:
            @mx.compile
            def gradients(
                parameters: Arrays, rows: Rows, key: mx.array, factor: mx.array
            ) -> tuple[Arrays, mx.array]:
                traced.append(number)
                with mx.stream(streams()[number]):
                    (_, figures), found = mx.value_and_grad(loss_of)(parameters, rows, key, factor)
                return found, figures

            return gradients

        # Each stream has a function of its own: in one graph MLX would merge what they have in
        # common, and it fuses nothing with what another stream computes.
        self._gradients = [gradients_on(number) for number in range(len(streams()))]

    @property
    def traces(self) -> int:
        """How often the gradients were traced; each stream does so, which counts as once."""
        return self._traced.count(0)

    def __call__(
        self, parameters: Arrays, batch: Batch, key: mx.array, factor: mx.array
    ) -> tuple[list[Arrays], mx.array]:
        """Gradients and figures of a batch, not yet computed.

        Args:
            parameters: those that learn, float32.
            batch: B examples.
            key: of dropout, uint32 (2,).
            factor: float32 scalar; the loss is multiplied by it.

        Returns:
            For each share of the batch, float32 gradients of the loss times the factor, summed over
            its examples; and (2,), of all: the summed loss, and how many examples were classified
            rightly.
        """
        shares = shares_of(batch)
        found, sums = [], []
        keys = mx.random.split(key, len(shares))
        for gradients, rows, own in zip(self._gradients, shares, keys, strict=False):
            more, figures = gradients(parameters, rows, own, factor)
            found.append(more)
            sums.append(figures)
        return found, sum(sums)


def shares_of(batch: Batch) -> list[Rows]:
    """The batch on the device, in as many shares as there are streams and rows."""
    rows = len(batch.input_ids)
    count = min(len(streams()), rows)
    labels, weights = batch.labels.reshape(rows, -1), batch.weights.reshape(rows, -1)
    return [
        (
            mx.array(batch.input_ids[i::count]),
            mx.array(batch.attention_mask[i::count]),
            mx.array(labels[i::count].flatten()),
            mx.array(weights[i::count].flatten()),
        )
        for i in range(count)
    ]


def added(parts: Sequence[Arrays]) -> Arrays:
    """The sum of each gradient over the parts."""
    if len(parts) == 1:
        return parts[0]
    sums = {}
    for name, stream in spread(sizes(parts[0])).items():
        with mx.stream(stream):
            sums[name] = reduce(operator.add, [part[name] for part in parts])
    return sums


def global_norm(gradients: Arrays) -> mx.array:
    """The Euclidean norm of all gradients together, as `torch.nn.utils.clip_grad_norm_` has it."""
    matrices = {name: array for name, array in gradients.items() if array.ndim > 1}
    vectors = [array for name, array in gradients.items() if name not in matrices]
    squares = [squared_norm(mx.concatenate(vectors))] if vectors else []
    for name, stream in spread(sizes(matrices)).items():
        with mx.stream(stream):
            squares.append(squared_norm(matrices[name]))
    return mx.sqrt(mx.concatenate(squares).sum())


def squared_norm(gradient: mx.array) -> mx.array:
    """The sum of the squares, float32 (1, 1)."""
    row = gradient.reshape(1, -1)
    if on_linux_cpu():
        # BLAS takes a twentieth of the time of the CPU backend's own sum.
        return row @ row.T
    return mx.square(row).sum(keepdims=True)


def sizes(arrays: Arrays) -> dict[str, int]:
    return {name: array.size for name, array in arrays.items()}


def named_parameters(model: Classifier) -> Arrays:
    """All parameters of a model by their names in the checkpoint."""
    return dict(tree_flatten(model.parameters()))


def tree(parameters: Arrays) -> dict:
    """What `Module.update` takes."""
    return tree_unflatten(list(parameters.items()))
