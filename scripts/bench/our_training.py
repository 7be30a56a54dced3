"""This library as a contender of train.py."""

import ctypes
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import prepared  # noqa: F401
from job import LEARNING_RATE, WARM_UP_BATCHES, Job
from workers import serve

from mlx_finbert.backend.interface import on_linux_cpu
from mlx_finbert.backend.linux_cpu.process import SHARES
from mlx_finbert.data import LabelledTexts, Splits
from mlx_finbert.distributed import ranks
from mlx_finbert.prefetch import background
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.prepare import Loaders, load_model, make_loaders, make_trainer
from mlx_finbert.training.state import RunEnd, RunState


class OurTraining:
    """Epochs of the loop of `mlx_finbert.train`, each with an evaluation of one batch.

    All rounds share the compiled step, as all epochs of a run do.
    """

    def __init__(self, folder: Path) -> None:
        job = Job.read(folder)
        self.settings = TrainSettings(
            model=str(folder),
            batch_size=job.batch_size,
            max_length=job.max_length,
            num_train_epochs=1,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            warmup_ratio=0.0,
            weight_decay=0.0,
            label_smoothing_factor=0.0,
            save_epochs=0,
        )
        self.splits = splits_of(job)
        self.model, self.tokenizer, _ = load_model(self.settings, job.label_names)
        loaders = self._loaders()
        self.trainer, self.vocabulary = make_trainer(self.settings, self.model, loaders, ranks())
        self.about = {
            "device": device(),
            "threads": threads(),
            "warm_up_seconds": self._train(loaders, min(WARM_UP_BATCHES, len(loaders.train))),
        }

    def __call__(self, number: int) -> dict[str, Any]:
        """Run one epoch, from texts."""
        start = time.perf_counter()
        loaders = self._loaders()
        # The trimmed vocabulary belongs to these texts, which are the same in each round.
        self.vocabulary.renumber(loaders.train)
        self.vocabulary.renumber(loaders.validation)
        before_steps = time.perf_counter() - start
        self._train(loaders, len(loaders.train))
        seconds = time.perf_counter() - start
        give_memory_back()
        return {
            "seconds": seconds,
            "seconds_before_steps": before_steps,
            "padding_waste": loaders.train.padding_waste(),
            "traces": self.trainer.step.traces,
        }

    def _loaders(self) -> Loaders:
        """Tokenize the rows."""
        with background() as thread:
            return make_loaders(
                self.settings, self.splits, self.model, self.tokenizer, ranks(), thread
            )

    def _train(self, loaders: Loaders, steps: int) -> float:
        start = time.perf_counter()
        trainer = self.trainer
        trainer.train_loader, trainer.validation.loader = loaders.train, loaders.validation
        trainer.args.total_steps, trainer.run_state = steps, RunState()
        if (end := trainer.train()) != RunEnd.FINISHED:
            raise RuntimeError(f"the epoch ended early: {end}")
        return time.perf_counter() - start


def give_memory_back() -> None:
    """Return freed memory to the system, so that it does not affect the other contenders."""
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def device() -> str:
    """`cpu` or `gpu`."""
    import mlx.core as mx  # after mlx_finbert, which loads the fast BLAS

    return mx.default_device().type.name


def threads() -> int | None:
    """Threads of the matrix products on all streams together; None without MKL or OpenBLAS."""
    loaded = ctypes.CDLL(None)
    for name in ("MKL_Get_Max_Threads", "openblas_get_num_threads"):
        if hasattr(loaded, name):
            return getattr(loaded, name)() * (SHARES if on_linux_cpu() else 1)
    return None


def splits_of(job: Job) -> Splits:
    """All rows for training, and the first batch of them for validation."""
    rows = LabelledTexts(job.texts, np.array(job.labels, np.int32), job.label_names, "train")
    return Splits(rows, rows.take(np.arange(len(rows))[: job.batch_size], "validation"), None, [])


if __name__ == "__main__":
    serve(lambda: OurTraining(Path(sys.argv[1])))
