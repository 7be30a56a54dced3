"""The forward pass over a loader's batches."""

from collections.abc import Callable
from functools import partial
from itertools import islice

import mlx.core as mx
import numpy as np

from mlx_finbert.data.loader import Batch, Loader
from mlx_finbert.device import streams
from mlx_finbert.models import Classifier


class Forward:
    """The compiled forward pass of a model, without dropout.

    Each batch shape is traced once by each stream of each thread that calls. Later updates of the
    weights count. Where `processes` are several, they share the batches of a loader and all get all
    logits.
    """

    def __init__(self, model: Classifier, processes: mx.distributed.Group | None = None) -> None:
        self.model = model
        self.rank, self.ranks = (processes.rank(), processes.size()) if processes else (0, 1)
        self.processes = processes

        def logits_on(number: int) -> Callable[[mx.array, mx.array], mx.array]:
            @partial(mx.compile, inputs=model.state)
            def logits(input_ids: mx.array, attention_mask: mx.array) -> mx.array:
                # Of the thread that calls: MLX knows a stream in the thread that made it alone.
                with mx.stream(streams()[number]):
                    return model(input_ids, attention_mask).astype(mx.float32)

            return logits

        self._logits = [logits_on(number) for number in range(len(streams()))]

    def __call__(self, batch: Batch, stream: int = 0) -> mx.array:
        """float32 logits (B, num_labels), not yet computed, by the stream of this number."""
        logits = self._logits[stream % len(self._logits)]
        return logits(mx.array(batch.input_ids), mx.array(batch.attention_mask))

    def all_logits(self, loader: Loader) -> np.ndarray:
        """float32 logits (N, num_labels) of a loader's N examples, in the order of the examples."""
        found = np.zeros((len(loader.tokens), self.model.args.num_labels), np.float32)
        batches = islice(loader.epoch(), self.rank, None, self.ranks)
        waiting: list[tuple[np.ndarray, mx.array]] = []
        while together := list(islice(batches, len(self._logits))):
            started = [(batch.rows, self(batch, i)) for i, batch in enumerate(together)]
            # These are computed while those before them are read and the next ones are padded.
            mx.async_eval([logits for _, logits in started])
            _store(found, waiting)
            waiting = started
        _store(found, waiting)
        if self.ranks > 1:
            # Each row was computed by one process, and is zero at the others.
            found = np.array(mx.distributed.all_sum(mx.array(found), group=self.processes))
        return found


def _store(found: np.ndarray, computed: list[tuple[np.ndarray, mx.array]]) -> None:
    for rows, logits in computed:
        found[rows] = np.array(logits)[: len(rows)]
