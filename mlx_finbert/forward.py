"""The forward pass over a loader's batches."""

from functools import partial
from itertools import islice

import mlx.core as mx
import numpy as np

from mlx_finbert.data.loader import Batch, Loader
from mlx_finbert.models import Classifier


class Forward:
    """The compiled forward pass of a model, without dropout.

    Each batch shape is traced once. Later updates of the weights count. Where `processes` are
    several, they share the batches of a loader and all get all logits.
    """

    def __init__(self, model: Classifier, processes: mx.distributed.Group | None = None) -> None:
        self.model = model
        self.rank, self.ranks = (processes.rank(), processes.size()) if processes else (0, 1)
        self.processes = processes

        @partial(mx.compile, inputs=model.state)
        def logits(input_ids: mx.array, attention_mask: mx.array) -> mx.array:
            return model(input_ids, attention_mask).astype(mx.float32)

        self._logits = logits

    def __call__(self, batch: Batch) -> mx.array:
        """float32 logits (B, num_labels), not yet computed."""
        return self._logits(mx.array(batch.input_ids), mx.array(batch.attention_mask))

    def all_logits(self, loader: Loader) -> np.ndarray:
        """float32 logits (N, num_labels) of a loader's N examples, in the order of the examples."""
        found = np.zeros((len(loader.tokens), self.model.args.num_labels), np.float32)
        waiting: tuple[np.ndarray, mx.array] | None = None
        for batch in islice(loader.epoch(), self.rank, None, self.ranks):
            logits = self(batch)
            # On a GPU this batch runs while the one before it is read and the next is padded.
            mx.async_eval(logits)
            if waiting:
                _store(found, *waiting)
            waiting = batch.rows, logits
        if waiting:
            _store(found, *waiting)
        if self.ranks > 1:
            # Each row was computed by one process, and is zero at the others.
            found = np.array(mx.distributed.all_sum(mx.array(found), group=self.processes))
        return found


def _store(found: np.ndarray, rows: np.ndarray, logits: mx.array) -> None:
    found[rows] = np.array(logits)[: len(rows)]
