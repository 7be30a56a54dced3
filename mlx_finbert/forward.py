"""The forward pass over a loader's batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import mlx.core as mx
import numpy as np

from mlx_finbert.data.loader import Batch, Loader
from mlx_finbert.models import Classifier


@contextmanager
def evaluation_mode(model: Classifier) -> Iterator[None]:
    """Dropout off inside the block; the mode is put back after it."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


class Forward:
    """The compiled forward pass of a model, in evaluation mode whatever mode the model is in.

    Each batch shape is traced once. Later updates of the weights count.
    """

    def __init__(self, model: Classifier) -> None:
        self.model = model

        @partial(mx.compile, inputs=model.state)
        def logits(input_ids: mx.array, attention_mask: mx.array) -> mx.array:
            return model(input_ids, attention_mask).astype(mx.float32)

        self._logits = logits

    def __call__(self, batch: Batch) -> mx.array:
        """float32 logits (B, num_labels), not yet computed."""
        with evaluation_mode(self.model):
            return self._logits(mx.array(batch.input_ids), mx.array(batch.attention_mask))

    def all_logits(self, loader: Loader) -> np.ndarray:
        """float32 logits (N, num_labels) of a loader's N examples, in the order of the examples."""
        found = np.empty((len(loader.tokens), self.model.args.num_labels), np.float32)
        waiting: tuple[np.ndarray, mx.array] | None = None
        for batch in loader.epoch():
            logits = self(batch)
            # On a GPU this batch runs while the one before it is read and the next is padded.
            mx.async_eval(logits)
            if waiting:
                _store(found, *waiting)
            waiting = batch.rows, logits
        if waiting:
            _store(found, *waiting)
        return found


def _store(found: np.ndarray, rows: np.ndarray, logits: mx.array) -> None:
    found[rows] = np.array(logits)[: len(rows)]
