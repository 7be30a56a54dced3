"""The contents of a report."""

import json
import platform
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlx_finbert._version import __version__
from mlx_finbert.evaluation.calibration import Reliability, reliability
from mlx_finbert.evaluation.metrics import Metrics, bootstrap_intervals, measure
from mlx_finbert.inference.logits import softmax
from mlx_finbert.report.panels import PANELS, Panel
from mlx_finbert.report.student import StudentAndTeacher

PACKAGES = ("mlx", "transformers", "numpy")


def this_machine() -> dict[str, str]:
    """The device, the system, and the versions of Python and the main packages."""
    from importlib.metadata import version

    import mlx.core as mx

    return {
        "device": f"{mx.device_info()['device_name']} ({mx.default_device().type.name})",
        "system": platform.platform(),
        "Python": platform.python_version(),
        "mlx-finbert": __version__,
        **{name: version(name) for name in PACKAGES},
    }


@dataclass
class Predictions:
    """The model's predictions for N labelled texts that it was not trained on."""

    split: str
    """`test`, or `validation` if there are no test rows."""
    texts: list[str]
    label_ids: np.ndarray
    """Integers (N,), indices into the report's `label_names`."""
    logits: np.ndarray
    """float32 (N, num_labels), uncalibrated: not divided by the temperature."""
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 (N,): row numbers in the file, from 1; an empty array means 1 to N."""
    others: list[dict[str, Any]] | None = None
    """The other columns of each row, if the source has any."""
    rows_in_all: int = 0
    """Number of rows of the split: more than N if Ctrl-C ended the measurement; 0 means N."""
    truncated: int = 0
    """Number of these rows that were too long and were cut."""

    def __post_init__(self) -> None:
        if not len(self.numbers):
            self.numbers = np.arange(1, len(self.texts) + 1)
        self.rows_in_all = self.rows_in_all or len(self.texts)

    @property
    def interrupted(self) -> bool:
        return len(self.texts) < self.rows_in_all


@dataclass(frozen=True)
class Tile:
    """A main figure: its title, its value as text, and a line that explains it."""

    title: str
    value: str
    explanation: str


@dataclass(kw_only=True)
class Report:
    """The settings, the history and the results of a run, as plain values."""

    title: str
    model: str
    data: str
    ending: str
    """How the run ended, as a sentence."""
    settings: dict[str, Any]
    defaults: dict[str, Any]
    """Defaults of the same keys; settings that differ are listed first."""
    history: list[dict[str, Any]]
    """One row per evaluation, with `step`, `epoch` and the keys of the panels."""
    best_step: int | None
    """The step whose weights were kept; None before the first evaluation."""
    label_names: list[str] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=lambda: PANELS)
    """The charts of the training."""
    tiles: list[Tile] = field(default_factory=list)
    """The main figures of a run without predictions."""
    tiles_note: str = ""
    """What these figures were measured on."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """One row per step, with `step` and the keys of the panels; empty without a log."""
    predictions: Predictions | None = None
    """None if no rows were measured, as after Ctrl-C."""
    temperature: float = 1.0
    """Temperature of the calibration; 1 without calibration."""
    distillation: StudentAndTeacher | None = None
    """The comparison with the teacher; None without one."""
    padding_waste: float | None = None
    """Share of padding in the positions of a training epoch."""
    tokens_per_second: float | None = None
    """Speed without padding; the time includes evaluations."""
    peak_memory: int | None = None
    """Peak memory in bytes."""
    facts: dict[str, str] = field(default_factory=dict)
    """More about the run, by name: the first lines of its table."""
    notes: list[str] = field(default_factory=list)
    """Messages of the run."""
    machine: dict[str, str] = field(default_factory=this_machine)

    @property
    def axis(self) -> str:
        """What the curves are drawn over: `step`, or `epoch` without a log of the steps."""
        return "step" if self.steps else "epoch"

    @property
    def last_step(self) -> int:
        """The last step of the log and the history; 0 without any."""
        return max((row.get("step", 0) for row in (*self.steps, *self.history)), default=0)

    @property
    def best_position(self) -> float | None:
        """The place of the best evaluation on the axis; None if there are no others."""
        found = [row.get(self.axis) for row in self.history if row.get("step") == self.best_step]
        return found[0] if found and len(self.history) > 1 else None

    @cached_property
    def results(self) -> "Results | None":
        """The results of the predictions, computed once."""
        if self.predictions is None or not self.predictions.texts:
            return None
        return Results(self.predictions, self.temperature)


class Results:
    """Metrics, calibration and mistakes of N predictions, after temperature scaling."""

    def __init__(self, predictions: Predictions, temperature: float) -> None:
        self.predictions = predictions
        # In float64, so that the division does not make two logits equal.
        logits, label_ids = predictions.logits.astype(np.float64), predictions.label_ids
        self.metrics: Metrics = measure(logits / temperature, label_ids)
        self.raw_metrics: Metrics = measure(logits, label_ids)
        """Metrics before temperature scaling."""
        self.intervals = bootstrap_intervals(self.metrics)
        self.probabilities = softmax(logits / temperature)
        self.raw: Reliability = reliability(softmax(logits), label_ids)
        self.calibrated: Reliability = reliability(self.probabilities, label_ids)
        self.mistakes = mistakes(predictions, self.probabilities)


@dataclass
class Mistake:
    """A text whose likeliest label is not the true one."""

    row: int
    """Row number in the file, from 1."""
    others: dict[str, Any]
    """The other columns of its row, without nested values."""
    true: int
    predicted: int
    probability: float
    """Probability of the predicted label."""
    true_probability: float
    text: str


def mistakes(predictions: Predictions, probabilities: np.ndarray) -> list[Mistake]:
    """All mistakes, most confident first, by probabilities (N, num_labels)."""
    predicted = predictions.logits.argmax(axis=1)
    rows = np.flatnonzero(predicted != predictions.label_ids)
    order = rows[np.argsort(-probabilities[rows, predicted[rows]], kind="stable")]
    return [
        Mistake(
            row=int(predictions.numbers[i]),
            others=flat(predictions.others[i]) if predictions.others else {},
            true=int(predictions.label_ids[i]),
            predicted=int(predicted[i]),
            probability=float(probabilities[i, predicted[i]]),
            true_probability=float(probabilities[i, predictions.label_ids[i]]),
            text=predictions.texts[i],
        )
        for i in order
    ]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Columns of the data as table cells, with nested values as JSON."""
    return {
        name: json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, dict | list | tuple)
        else value
        for name, value in row.items()
    }
