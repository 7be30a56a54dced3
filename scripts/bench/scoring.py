"""Common parts of the contenders of predict.py: warm-up, timing and saved results."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from job import WARM_UP_BATCHES, Job

Score = Callable[[list[str]], np.ndarray]
"""From texts to float32 probabilities (N, num_labels), in the order of the job's labels."""


@dataclass
class Scoring:
    """A loaded model, warmed up with the first few batches."""

    name: str
    folder: Path
    job: Job
    score: Score
    device: str
    threads: int | None

    def __post_init__(self) -> None:
        start = time.perf_counter()
        self.score(self.job.texts[: WARM_UP_BATCHES * self.job.batch_size])
        seconds = time.perf_counter() - start
        self.about = {"device": self.device, "threads": self.threads, "warm_up_seconds": seconds}

    def __call__(self, number: int) -> dict[str, Any]:
        """Score all rows, from texts, and save the probabilities in the folder."""
        start = time.perf_counter()
        probabilities = self.score(self.job.texts)
        seconds = time.perf_counter() - start
        np.save(probabilities_file(self.folder, self.name), probabilities)
        return {"seconds": seconds}


def probabilities_file(folder: Path, name: str) -> Path:
    """The file for the probabilities of a contender."""
    return folder / f"{name}.npy"
