"""What a training step and the loop ask of a task."""

from collections.abc import Iterator
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.data.loader import Batch, Update


class Objective(Protocol):
    """A loss that is a sum over rows, so that batches and processes can share one mean."""

    def total_weight(self, update: Update) -> float:
        """The divisor that makes the summed loss of an update, of all processes, a mean."""
        ...

    def arrays(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """What `sum_and_correct` reads of a batch; the first axis of each array is the R rows."""
        ...

    def sum_and_correct(
        self, model: nn.Module, arrays: tuple[mx.array, ...], dropout_key: mx.array
    ) -> tuple[mx.array, mx.array]:
        """The summed loss and the number of correct predictions, both scalars."""
        ...


class Updates(Protocol):
    """The updates of each epoch, with an order that depends on the epoch alone."""

    update_size: int
    """Rows per update."""

    def __len__(self) -> int:
        """Updates per epoch."""
        ...

    def updates(self, number: int = 0, start: int = 0) -> Iterator[Update]:
        """The updates of an epoch from number `start` on."""
        ...


class Validation(Protocol):
    """Measures the model; called by the loop when an evaluation is due."""

    def __call__(self) -> dict[str, Any]:
        """Figures by the names that they have in `Record`: `val_loss`, `val_accuracy`, ..."""
        ...
