"""Errors of updates that cannot be computed."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlx_finbert.data.loader import Update
from mlx_finbert.distributed import BACKENDS
from mlx_finbert.errors import first_line

INTACT = "model and optimizer are unchanged"
LOST = "the weights are lost: resume from the last checkpoint"


class StepFailed(Exception):
    """An update could not be computed; the message names it and says what was lost."""

    def __init__(self, message: str, weights_lost: bool) -> None:
        super().__init__(message)
        self.weights_lost = weights_lost


@contextmanager
def named(number: int, update: Update, outcome: str) -> Iterator[None]:
    """Turn exceptions inside the block into `StepFailed`.

    A lost connection to another process is raised unchanged, for `distributed.guarded`.
    """
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        if str(error).startswith(BACKENDS):
            raise
        rows = ", ".join(map(str, update.numbers[:8]))
        more = ", ..." if len(update.rows) > 8 else ""
        shapes = " and ".join(sorted({str(batch.input_ids.shape) for batch in update.batches}))
        raise StepFailed(
            f"update {number + 1} failed (training rows {rows}{more}, batch shape {shapes}):"
            f" {first_line(error)}; {outcome}",
            weights_lost=outcome == LOST,
        ) from error
