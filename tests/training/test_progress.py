"""What the bar shows."""

import io

from tqdm import tqdm

import mlx_finbert.training.progress as progress_module
from mlx_finbert.training.fit import StepFigures
from mlx_finbert.training.progress import Progress


def test_the_bar_shows_loss_accuracy_speed_and_memory(monkeypatch):
    clock = iter([100.0, 102.0, 104.0])
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(progress_module.mx, "get_peak_memory", lambda: 1_500_000_000)
    shown = {"disable": False, "file": io.StringIO()}
    monkeypatch.setattr(progress_module, "tqdm", lambda **options: tqdm(**options | shown))
    progress = Progress(total_steps=10, epochs=3)
    progress.on_step(StepFigures(epoch=1, step=4, loss=0.5, accuracy=0.75, num_tokens=3000))
    assert progress.bar.postfix == "loss 0.500, acc 0.750, 1,500 tok/s, 1.5 GB"
    assert progress.bar.desc == "epoch 2/3: "
    assert progress.bar.n == 1
    assert progress.speed_and_memory() == "750 tok/s, 1.5 GB"
    progress.close()
