"""The objective and the validation of masked-language models."""

from itertools import islice

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.backend.interface import compile_forward, cross_entropy
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.data.masked_loader import MaskedBatch, MaskedLoader
from mlx_finbert.errors import InputError
from mlx_finbert.models.masked_lm import MaskedLM


class MaskedLMLoss:
    """Cross-entropy of the masked tokens; see `objective.Objective`.

    With a batch of R rows and P places, the logits are (R * P, vocab_size), in one piece: 78 MB of
    float32 for 640 places and 30,522 tokens. At its peak the backward pass holds two such arrays,
    or three on Linux's CPU, and the gradient of the table of word embeddings.
    """

    def total_weight(self, update: Update) -> float:
        """The number of masked tokens of all processes; 1 if there is none."""
        return float(max(1, len(update.label_ids)))

    def arrays(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """Ids and mask, int32 (R, L); positions, labels int32 and weights float32, (R, P)."""
        if not isinstance(batch, MaskedBatch):
            raise TypeError(f"a MaskedBatch is needed, not a {type(batch).__name__}")
        places = batch.positions.shape
        labels, weights = batch.label_ids.reshape(places), batch.weights.reshape(places)
        return batch.input_ids, batch.attention_mask, batch.positions, labels, weights

    def sum_and_correct(
        self, model: nn.Module, arrays: tuple[mx.array, ...], dropout_key: mx.array | None
    ) -> tuple[mx.array, mx.array]:
        """The summed loss and the number of masked tokens with the highest logit, both scalars.

        Computed in float32 whatever the dtype of the model.
        """
        input_ids, attention_mask, positions, label_ids, weights = arrays
        logits = model(input_ids, attention_mask, positions, dropout_key=dropout_key).flatten(0, 1)
        label_ids, weights = label_ids.flatten(), weights.flatten()
        correct = ((logits.argmax(axis=-1) == label_ids) * weights).sum()
        return (cross_entropy(logits, label_ids) * weights).sum(), correct


class MaskedLMValidation:
    """Measure a model on held-out rows, whose masks are always the same; see `Validation`.

    Args:
        model: later updates of its weights take effect.
        loader: a loader without a seed; several processes may share its batches.
        processes: all processes of the run.
    """

    def __init__(
        self, model: MaskedLM, loader: MaskedLoader, processes: mx.distributed.Group
    ) -> None:
        self.loader = loader
        self.processes = processes
        self._objective = objective = MaskedLMLoss()

        def sums(*arrays: mx.array) -> mx.array:
            summed, correct = objective.sum_and_correct(model, arrays, None)
            return mx.stack([summed, correct, arrays[-1].sum()])

        self._sums = compile_forward(sums, model.state)

    def __call__(self) -> dict[str, float]:
        """The mean loss of the masked tokens, and the share of them that the model finds.

        Raises:
            InputError: if no token is masked.
        """
        loss, correct, masked = self._totals()
        if not masked:
            raise InputError(
                "no token of the held-out rows is masked: they hold only special tokens, or words"
                " that are too long; hold out more text"
            )
        return {"val_loss": loss / masked, "val_accuracy": correct / masked}

    def _totals(self) -> list[float]:
        """Loss, correct and masked tokens, over all rows and processes."""
        found = np.zeros(3)
        batches, waiting = self.loader.epoch(), list[mx.array]()
        while together := list(islice(batches, len(self._sums))):
            started = [self._started(batch, i) for i, batch in enumerate(together)]
            # Compute these while the previous ones are read and the next ones are masked.
            mx.async_eval(started)
            found += sum(map(np.array, waiting), np.zeros(3))
            waiting = started
        found += sum(map(np.array, waiting), np.zeros(3))
        if self.processes.size() > 1:
            found = np.array(mx.distributed.all_sum(mx.array(found), group=self.processes))
        return found.tolist()

    def _started(self, batch: MaskedBatch, stream: int) -> mx.array:
        return self._sums[stream](*map(mx.array, self._objective.arrays(batch)))
