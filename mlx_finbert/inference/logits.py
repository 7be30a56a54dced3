"""Runs the forward pass over a loader's batches."""

from collections.abc import Iterator
from itertools import islice
from threading import Event, Lock

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import compile_forward
from mlx_finbert.data.loader import Batch, Loader
from mlx_finbert.errors import InputError
from mlx_finbert.inference.progress_bar import progress_bar
from mlx_finbert.models import Classifier

TRACING = Lock()
"""Held while a forward pass is traced or its graph is built, in any thread.

While `mx.compile` traces a function, the model's own arrays are exchanged for placeholders, which
another thread that uses the model would take for its weights.
"""


class Forward:
    """The compiled forward pass of a model, without dropout.

    Each batch shape is traced once. Later updates of the weights take effect. Several `processes`
    share the batches of a loader, and each gets all logits.
    """

    def __init__(self, model: Classifier, processes: mx.distributed.Group | None = None) -> None:
        self.model = model
        self.rank, self.ranks = (processes.rank(), processes.size()) if processes else (0, 1)
        self.processes = processes

        def logits(input_ids: mx.array, attention_mask: mx.array) -> mx.array:
            return model(input_ids, attention_mask).astype(mx.float32)

        self._logits = compile_forward(logits, model.state)

    def __call__(self, batch: Batch, stream: int = 0) -> mx.array:
        """Lazily evaluated logits, float32 (B, num_labels), on the stream of this number."""
        logits = self._logits[stream % len(self._logits)]
        with TRACING:
            return logits(mx.array(batch.input_ids), mx.array(batch.attention_mask))

    def all_logits(self, loader: Loader, what: str | None = None) -> np.ndarray:
        """Compute the logits of a loader's N examples, float32 (N, num_labels), in their order.

        Args:
            loader: loader of the N examples.
            what: title of a progress bar over this process's share; None for no bar.
        """
        found = np.zeros((len(loader.tokens), self.model.args.num_labels), np.float32)
        batches = islice(loader.epoch(), self.rank, None, self.ranks)
        total = -(-len(found) // self.ranks)
        hidden = {"disable": True} if what is None else {}
        with progress_bar(total=total, desc=what, unit="row", **hidden) as bar:
            for rows, logits in self._computed(batches):
                found[rows] = logits
                bar.update(len(rows))
        if self.ranks > 1:
            # Each row was computed by one process and is zero in the others.
            found = np.array(mx.distributed.all_sum(mx.array(found), group=self.processes))
        return found

    def logits_until(self, stop: Event, loader: Loader, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Compute the logits of a loader's examples under a progress bar, until stopped.

        Batches and logits equal those of `all_logits`. The batches come in random order, so that
        the examples computed first are a fair sample. This process computes all of them.

        Args:
            stop: when set, ends the work after the current batch.
            loader: loader of the N examples.
            what: title of the bar, see `progress_bar`.

        Returns:
            The indices of the computed examples, int64 (M,), ascending, and their float32 logits
            (M, num_labels).
        """
        found = np.zeros((len(loader.tokens), self.model.args.num_labels), np.float32)
        ready = np.zeros(len(found), bool)
        with progress_bar(total=len(found), desc=what, unit="row") as bar:
            for rows, logits in self._computed(loader.sampled()):
                found[rows], ready[rows] = logits, True
                bar.update(len(rows))
                if stop.is_set():
                    break
        return np.flatnonzero(ready), found[ready]

    def _computed(self, batches: Iterator[Batch]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the examples of each batch and their float32 logits."""
        waiting: list[tuple[np.ndarray, mx.array]] = []
        while together := list(islice(batches, len(self._logits))):
            started = [(batch.rows, self(batch, i)) for i, batch in enumerate(together)]
            # Compute these while the previous ones are read and the next ones are padded.
            mx.async_eval([logits for _, logits in started])
            yield from _read(waiting)
            waiting = started
        yield from _read(waiting)


def _read(computed: list[tuple[np.ndarray, mx.array]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((rows, np.array(logits)[: len(rows)]) for rows, logits in computed)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, num_labels) in float64."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def require_finite(found: np.ndarray, source: str = "") -> None:
    """Refuse logits or probabilities that are NaN or infinite.

    Args:
        found: the logits or probabilities.
        source: the folder that the model was loaded from, if it is known.
    """
    if not np.isfinite(found).all():
        model = f"the model from {source}" if source else "the model"
        raise InputError(
            f"the logits of {model} are not finite (NaN or infinite): its weights are damaged;"
            " use an earlier checkpoint"
        )
