"""The progress bar."""

import io

from tqdm import tqdm

import mlx_finbert.training.callbacks as progress_module
from mlx_finbert.training.callbacks import Progress
from mlx_finbert.training.state import StepMetrics


def test_the_bar_shows_loss_accuracy_speed_and_memory(monkeypatch):
    clock = iter([100.0, 102.0, 104.0])
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(progress_module.mx, "get_peak_memory", lambda: 1_500_000_000)
    shown = {"disable": False, "file": io.StringIO()}
    monkeypatch.setattr(progress_module, "progress_bar", lambda **options: tqdm(**options | shown))
    progress = Progress(epochs=3)
    progress.on_start({}, total_steps=10, resumed_at=3)
    progress.on_step(
        StepMetrics(
            epoch=1, step=4, learning_rate=1e-3, loss=0.5, accuracy=0.75, step_loss=0.4,
            step_accuracy=0.75, grad_norm=2.0, num_tokens=3000,
        )
    )  # fmt: skip
    assert progress.bar.postfix == "loss 0.500, acc 0.750, 1,500 tok/s, 1.5 GB"
    assert progress.bar.desc == "epoch 2/3: "
    assert progress.bar.n == 4
    assert progress.speed_and_memory() == "750 tok/s, 1.5 GB"
    progress.on_end("finished")
