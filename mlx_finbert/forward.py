"""The forward pass over a loader's batches."""

from collections.abc import Callable
from functools import partial

import mlx.core as mx
import numpy as np

from mlx_finbert.data.loader import Batch, Loader
from mlx_finbert.models import Classifier

Forward = Callable[[Batch], mx.array]


def make_forward(model: Classifier) -> Forward:
    """The compiled forward pass: a batch to float32 logits (B, num_labels).

    The mode is frozen when a shape is first seen: the model must be in evaluation mode then. The
    weights are not: later updates count.
    """

    @partial(mx.compile, inputs=model.state)
    def forward(input_ids: mx.array, attention_mask: mx.array) -> mx.array:
        return model(input_ids, attention_mask).astype(mx.float32)

    return lambda batch: forward(mx.array(batch.input_ids), mx.array(batch.attention_mask))


def all_logits(forward: Forward, loader: Loader, num_labels: int) -> np.ndarray:
    """float32 logits (N, num_labels) of a loader's N examples, in the order of the examples."""
    logits = np.empty((len(loader.tokens), num_labels), np.float32)
    for batch in loader.epoch():
        logits[batch.rows] = np.array(forward(batch))[: len(batch.rows)]
    return logits
