"""A series of runs whose results are kept, so that an interrupted series goes on."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.metrics import Metrics, measure
from mlx_finbert.evaluation.paired import Answers
from mlx_finbert.files.atomic import write_text
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.result import Result

RESULTS = "results.json"
OF_OUTPUT = (
    "seeds",
    "seed",
    "output_dir",
    "overwrite",
    "resume_from_checkpoint",
    "report_to",
    "save_epochs",
)
"""Settings that may change while a series goes on."""


@dataclass(frozen=True)
class Outcome:
    """A run's answers to the test rows."""

    label_ids: np.ndarray
    """int64 (N,)."""
    logits: np.ndarray
    """float64 (N, num_labels), calibrated if the run calibrates."""
    more: dict[str, Any]
    """What else is kept of the run, and its `seconds`."""

    @property
    def metrics(self) -> Metrics:
        return measure(self.logits, self.label_ids)

    @property
    def answers(self) -> Answers:
        predicted = self.logits.argmax(axis=1)
        return Answers(self.label_ids, predicted, self.metrics.losses, self.logits.shape[1])


class Series:
    """The runs of a protocol in a folder, and their results in its `results.json`.

    Args:
        folder: Where the runs go.
        settings: The settings of the protocol; those of the results that are there must be equal.
    """

    def __init__(self, folder: Path, settings: Any) -> None:
        self.folder, self.path = folder, folder / RESULTS
        self.done: dict[str, dict[str, Any]] = {}
        wanted = {
            field.name: getattr(settings, field.name)
            for field in fields(settings)
            if field.name not in OF_OUTPUT
        }
        if self.path.exists():
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            require_equal(kept["settings"], wanted, self.path)
            self.done = kept["results"]
        self.settings = wanted

    def step(self, key: str, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Do a part of the series unless its result is kept already.

        Args:
            key: The part's name, and that of its folder.
            work: Does it in this folder and returns its result, as JSON can hold it.
        """
        if key not in self.done:
            start = time.perf_counter()
            result = work(self.folder / key)
            self.done[key] = result | {"seconds": time.perf_counter() - start}
            self.folder.mkdir(parents=True, exist_ok=True)
            kept = {"settings": self.settings, "results": self.done}
            write_text(self.path, json.dumps(kept) + "\n")
        return self.done[key]

    def outcome(self, key: str, work: Callable[[Path], dict[str, Any]]) -> Outcome:
        """Train, unless the result is kept already; `work` returns that of `kept_result`."""
        found = dict(self.step(key, work))
        label_ids = np.array(found.pop("label_ids"), np.int64)
        return Outcome(label_ids, np.array(found.pop("logits"), np.float64), found)


def require_equal(kept: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on with a series that had other settings."""
    for name in sorted({*kept, *wanted}):
        if kept.get(name) != wanted.get(name):
            raise InputError(
                f"{path} has results with {name} = {kept.get(name)}, not {wanted.get(name)}: name"
                " another folder with --output-dir, or remove the file"
            )


def kept_result(result: Result, **more: Any) -> dict[str, Any]:
    """What a series keeps of a run: the answers to the test rows.

    Raises:
        InputError: If the run has none.
    """
    if result.test is None or result.predictions.interrupted:
        raise InputError(f"{result.folder}: there are no figures (end of run: {result.end})")
    logits = result.predictions.logits.astype(np.float64) / result.temperature
    return {
        "label_ids": result.predictions.label_ids.tolist(),
        "logits": logits.tolist(),
        "steps": result.run_state.step,
        **more,
    }


def train_settings(settings: TrainSettings, **changes: Any) -> TrainSettings:
    """The part of a protocol's settings that are those of `mlx_finbert.train`, changed."""
    own = {field.name: getattr(settings, field.name) for field in fields(TrainSettings)}
    return TrainSettings(**own | changes)


def command_line(module: str, settings: Any) -> str:
    """The command that has these settings."""
    words = [f"python -m {module}"]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != field.default and field.name not in ("overwrite", "resume_from_checkpoint"):
            words += flag_words(field.name.replace("_", "-"), value)
    return " ".join(words)


def flag_words(name: str, value: Any) -> list[str]:
    """A flag and its value, as they are typed."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return [f"--{name}", f"'{text}'" if set(text) & set(" *'$") else text]
