"""The progress bar of a pretraining run, and the perplexity of a loss."""

from math import exp

from mlx_finbert.training.callbacks import Progress
from mlx_finbert.training.state import Record

LARGEST = 700.0
"""Above this loss, exp() has no float."""


def perplexity(loss: float) -> float:
    """exp(loss); infinity where that is no float."""
    return exp(loss) if loss < LARGEST else float("inf")


class PretrainProgress(Progress):
    """A progress bar that prints the perplexity of an evaluation too."""

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.bar.write(
            f"epoch {record.epoch:g}: loss {record.loss:.4f}, accuracy {record.accuracy:.4f};"
            f" held-out loss {record.val_loss:.4f}, perplexity {perplexity(record.val_loss):.2f},"
            f" accuracy {record.val_accuracy:.4f}{' (kept)' if is_best else ''}"
        )
