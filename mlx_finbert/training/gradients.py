"""The gradients of one batch, compiled, its rows side by side where the device has room."""

import operator
from collections.abc import Sequence
from functools import reduce

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from mlx_finbert.data.loader import Batch
from mlx_finbert.device import on_linux_cpu, spread, streams
from mlx_finbert.models import Classifier
from mlx_finbert.models.encoder import holding
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Arrays
from mlx_finbert.training.precision import Precision, cast

Rows = tuple[mx.array, mx.array, mx.array, mx.array]
"""Ids, mask, labels and weights, on the device."""


class Gradients:
    """The gradient of the summed loss with respect to the parameters that learn.

    Traced once for each shape of a batch. Whatever is not an argument is frozen at its value when
    this is made: the parameters that do not learn, the class weights, the precision.
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
            with holding(model, tree(frozen | cast(parameters, dtype))):
                logits = model(input_ids, attention_mask, dropout_key=key)
            logits = logits.reshape(len(labels), -1)
            summed = loss.sum(logits, labels, weights)
            correct = ((logits.argmax(axis=-1) == labels) * weights).sum()
            return summed * factor, mx.stack([summed, correct])

        def gradients(
            parameters: Arrays, parts: list[Rows], key: mx.array, factor: mx.array
        ) -> tuple[list[Arrays], mx.array]:
            traced.append(len(parts))
            found, sums = [], []
            keys = mx.random.split(key, len(parts))
            for stream, rows, own in zip(streams(), parts, keys, strict=False):
                with mx.stream(stream):
                    (_, figures), more = mx.value_and_grad(loss_of)(parameters, rows, own, factor)
                found.append(more)
                sums.append(figures)
            return found, sum(sums)

        self._gradients = mx.compile(gradients)

    @property
    def traces(self) -> int:
        """How often the gradients were traced."""
        return len(self._traced)

    def __call__(
        self, parameters: Arrays, batch: Batch, key: mx.array, factor: mx.array
    ) -> tuple[list[Arrays], mx.array]:
        """Gradients and figures of a batch, not yet computed.

        Args:
            parameters: those that learn, float32.
            batch: B rows.
            key: of dropout, uint32 (2,).
            factor: float32 scalar; the loss is multiplied by it.

        Returns:
            For each part of the batch, float32 gradients of the loss times the factor, summed over
            its rows; and (2,), of all: the summed loss, and how many rows were classified rightly.
        """
        return self._gradients(parameters, parts_of(batch), key, factor)


def parts_of(batch: Batch) -> list[Rows]:
    """The batch on the device, in as many parts as there are streams and rows.

    Ids and masks of part i have i more axes in front. With equal shapes MLX would merge constants
    of one part with those of another, and it fuses nothing with what another stream computes.
    """
    count = min(len(streams()), len(batch.labels))
    return [
        (
            mx.array(np.expand_dims(batch.input_ids[i::count], tuple(range(i)))),
            mx.array(np.expand_dims(batch.attention_mask[i::count], tuple(range(i)))),
            mx.array(batch.labels[i::count]),
            mx.array(batch.weights[i::count]),
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
