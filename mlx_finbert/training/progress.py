"""The progress bar of a run."""

import time
from typing import Any

import mlx.core as mx
from tqdm import tqdm

from mlx_finbert.training.callback import Callback
from mlx_finbert.training.record import Record, StepFigures


class Progress(Callback):
    """One bar over all steps: running loss and accuracy, real tokens a second, peak memory."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.tokens = 0
        self.start = time.perf_counter()

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        # Without a terminal there is no bar; the lines of the evaluations are still printed.
        self.bar = tqdm(
            total=total_steps, initial=resumed_at, unit="step", dynamic_ncols=True, disable=None
        )

    def on_step(self, figures: StepFigures) -> None:
        self.tokens += figures.num_tokens
        self.bar.set_description(f"epoch {figures.epoch + 1}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(
            f"loss {figures.loss:.3f}, acc {figures.accuracy:.3f}, {self.speed_and_memory()}",
            refresh=False,
        )
        self.bar.update()

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.bar.write(
            f"epoch {record.epoch:g}: loss {record.loss:.4f}, accuracy {record.accuracy:.4f};"
            f" validation loss {record.val_loss:.4f}, accuracy {record.val_accuracy:.4f},"
            f" macro-F1 {record.val_macro_f1:.4f}{' (kept)' if is_best else ''}"
        )

    def on_end(self, end: str) -> None:
        self.bar.close()

    @property
    def tokens_per_second(self) -> float:
        """Without padding, evaluations included."""
        return self.tokens / (time.perf_counter() - self.start)

    def speed_and_memory(self) -> str:
        """Tokens that are not padding a second, evaluations included; the most memory in use."""
        return f"{self.tokens_per_second:,.0f} tok/s, {mx.get_peak_memory() / 1e9:.1f} GB"
