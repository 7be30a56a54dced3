"""The progress bar of a run."""

import time

import mlx.core as mx
from tqdm import tqdm

from mlx_finbert.training.fit import Record, StepFigures


class Progress:
    """One bar over all steps: running loss and accuracy, real tokens a second, peak memory."""

    def __init__(self, total_steps: int, epochs: int) -> None:
        self.epochs = epochs
        self.tokens = 0
        self.start = time.perf_counter()
        # Without a terminal there is no bar; the lines of the evaluations are still printed.
        self.bar = tqdm(total=total_steps, unit="step", dynamic_ncols=True, disable=None)

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
            f" macro-F1 {record.val_macro_f1:.4f}{' (best so far)' if is_best else ''}"
        )

    def speed_and_memory(self) -> str:
        """Tokens that are not padding a second, evaluations included; the most memory in use."""
        speed = self.tokens / (time.perf_counter() - self.start)
        return f"{speed:,.0f} tok/s, {mx.get_peak_memory() / 1e9:.1f} GB"

    def close(self) -> None:
        self.bar.close()
