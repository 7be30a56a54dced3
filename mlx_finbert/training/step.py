"""The compiled training step."""

from collections.abc import Callable
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from mlx_finbert.data.loader import Batch
from mlx_finbert.models import Classifier

TrainStep = Callable[[Batch], dict[str, mx.array]]


def weighted_cross_entropy(logits: mx.array, labels: mx.array, weights: mx.array) -> mx.array:
    """Mean loss over the rows that count: logits (B, C), labels int32 (B,), weights (B,)."""
    losses = nn.losses.cross_entropy(logits.astype(mx.float32), labels)
    return (losses * weights).sum() / weights.sum()


def make_train_step(
    model: Classifier, optimizer: optim.Optimizer, max_grad_norm: float
) -> TrainStep:
    """One function for forward pass, loss, gradients, clipping and update.

    What changes from step to step (parameters, moments, learning rate, the key of dropout) is
    captured as input and output of the compiled function, or it would be frozen at its first
    value. The mode is frozen by design: the model must be in training mode, and have its optimizer
    state loaded, before the first call. Each new batch shape is traced once.

    Returns:
        A function of one batch. It returns lazy scalars: the summed `loss`, the number `correct`
        and the number of `examples` of the batch, and the gradients' `grad_norm` before clipping.
    """
    optimizer.init(model.trainable_parameters())
    state = [model.state, optimizer.state, mx.random.state]

    def loss_and_logits(
        input_ids: mx.array, attention_mask: mx.array, labels: mx.array, weights: mx.array
    ) -> tuple[mx.array, mx.array]:
        logits = model(input_ids, attention_mask)
        return weighted_cross_entropy(logits, labels, weights), logits

    gradients_of = nn.value_and_grad(model, loss_and_logits)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(
        input_ids: mx.array, attention_mask: mx.array, labels: mx.array, weights: mx.array
    ) -> dict[str, mx.array]:
        (loss, logits), gradients = gradients_of(input_ids, attention_mask, labels, weights)
        gradients, grad_norm = optim.clip_grad_norm(gradients, max_grad_norm)
        optimizer.update(model, gradients)
        examples = weights.sum()
        correct = ((logits.argmax(axis=-1) == labels) * weights).sum()
        return {
            "loss": loss * examples,
            "correct": correct,
            "examples": examples,
            "grad_norm": grad_norm,
        }

    def run(batch: Batch) -> dict[str, mx.array]:
        figures = step(
            mx.array(batch.input_ids),
            mx.array(batch.attention_mask),
            mx.array(batch.labels),
            mx.array(batch.weights),
        )
        mx.eval(state, figures)
        return figures

    return run
