"""Training runs whose figures are saved in a file, so that no run is repeated.

A run is `mlx_finbert.train` on one of four data sets, in a temporary folder.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import inputs
import numpy as np

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import Splits
from mlx_finbert.distributed import quiet
from mlx_finbert.evaluation.calibration import expected_calibration_error
from mlx_finbert.evaluation.metrics import measure
from mlx_finbert.inference.logits import softmax
from mlx_finbert.settings import config_text
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.run import rows_of, run

Figures = dict[str, Any]

WIDTH = 384
"""Hidden size of MiniLM, the model of all runs."""


@dataclass
class Data:
    """A data set, as flags of train."""

    about: str
    file: str
    """Name of the file in the folder of shared data."""
    suffix: str
    flags: dict[str, Any]
    splits_vary: bool = True
    """Whether the test rows depend on the run's seed."""


DATA = {
    "araci": Data(
        "PhraseBank, the 970 test rows of FinBERT's authors",
        inputs.ARCHIVE,
        ":araci",
        {"include_seen": True},
        splits_vary=False,
    ),
    "allagree": Data("PhraseBank, all annotators agreeing", inputs.ARCHIVE, ":allagree", {}),
    "fiqa": Data("FiQA, headlines and posts", "fiqa", "", {}),
    "imdb": Data(
        "4,000 IMDB reviews cut at 256 tokens",
        "imdb-train.parquet",
        "",
        {
            "max_length": 256,
            "max_train_rows": 4000,
            "max_eval_rows": 1000,
            "labels": ["negative", "positive"],
        },
    ),
}


def settings_of(name: str, seed: int, flags: dict[str, Any], folder: str | None) -> TrainSettings:
    """The settings of a run on `DATA[name]`, with files in the given or the shared folder."""
    data = DATA[name]
    path = Path(folder or inputs.DATA) / data.file
    file = inputs.data_file(str(path), f"the folder that holds {data.file}", "--folder")
    own = {"seed": seed, "split_seed": seed if data.splits_vary else 0, "save_epochs": 0}
    return TrainSettings(data=f"{file}{data.suffix}", **own | data.flags | flags)


def fingerprint(settings: TrainSettings) -> str:
    """A hash of all settings except the path of the data, so that other defaults count as new."""
    chosen = replace(settings, data="").for_model(WIDTH, is_fresh=True)
    return hashlib.sha256(config_text(chosen).encode()).hexdigest()[:12]


def drawn(settings: TrainSettings) -> Splits:
    """The splits of a run."""
    return rows_of(settings, settings.draw(settings.load_texts()), TrainingRun.of(settings.model))


def drawn_without_test_rows(settings: TrainSettings, share: int = 2) -> Splits:
    """The splits of a run without the test rows of `drawn`.

    New validation rows are drawn, and every second one of them becomes a test row. With a `share`
    of 1 all of them are both.
    """
    texts = settings.load_texts()
    if texts.splits:
        texts.splits = ["test" if split == "test" else "train" for split in texts.splits]
    splits = settings.draw(texts)
    held_out, rows = splits.validation, np.arange(len(splits.validation))
    validation = held_out.take(rows[::share], held_out.name)
    splits = replace(
        splits, validation=validation, test=held_out.take(rows[share - 1 :: share], "held out")
    )
    if share == 1:
        # Rows that the run is measured by are rows that it is chosen by.
        settings = replace(settings, include_seen=True)
    return rows_of(settings, splits, TrainingRun.of(settings.model))


def figures_of(settings: TrainSettings, splits: Splits) -> Figures:
    """Train, and measure the test rows before calibration."""
    start = time.perf_counter()
    # Keep standard output for the table.
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr), quiet():
        settings = replace(settings, output_dir=str(Path(folder) / "run"))
        result = run(settings, splits)
    if result.predictions is None or result.predictions.interrupted:
        sys.exit(f"there are no figures (end of run: {result.end})")
    return figures_by(result.predictions.logits, result.predictions.label_ids) | {
        "temperature": result.temperature,
        "seconds": time.perf_counter() - start,
    }


def figures_by(logits: np.ndarray, labels: np.ndarray) -> Figures:
    """Metrics of logits, (rows, labels), against the true labels, (rows,)."""
    metrics = measure(logits, labels)
    return {
        "rows": len(labels),
        "accuracy": metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "loss": metrics.loss,
        "calibration_error": expected_calibration_error(softmax(logits), labels),
    }


class Kept:
    """Figures by key, stored as lines of JSON in a file."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self.found: list[Figures] = []
        if self.path and self.path.exists():
            self.found = [json.loads(line) for line in self.path.read_text().splitlines()]

    def get(self, make: Callable[[], Figures], **key: Any) -> Figures:
        """Look up the figures of a key; if missing, make and store them."""
        for figures in self.found:
            if all(figures.get(name) == value for name, value in key.items()):
                return figures
        figures = key | make()
        print(json.dumps(figures), file=sys.stderr, flush=True)
        self.found.append(figures)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                print(json.dumps(figures), file=file)
        return figures


T95 = (np.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95% points of Student's t for 0 to 9 degrees of freedom."""


def interval(differences: Iterable[float]) -> tuple[float, float]:
    """The mean and the half width of its 95% interval, for 2 to 10 differences."""
    found = np.array(list(differences))
    return found.mean(), T95[len(found) - 1] * found.std(ddof=1) / np.sqrt(len(found))
