"""Measures a fine-tuned classifier on labelled texts."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mlx_finbert.backend.interface import pad_multiple
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import checked_max_length, tokenize
from mlx_finbert.evaluation.calibration import expected_calibration_error
from mlx_finbert.evaluation.config import EvaluateSettings, complete
from mlx_finbert.evaluation.measurable import Measurable
from mlx_finbert.evaluation.measured_rows import MeasuredRows, load_rows
from mlx_finbert.evaluation.metrics import Metrics, bootstrap_intervals, measure, plain
from mlx_finbert.evaluation.notebook import figures_html, labels_html
from mlx_finbert.evaluation.text import confusion_lines, ece_line, figure_lines, label_lines
from mlx_finbert.inference.logits import Forward, require_finite, softmax
from mlx_finbert.interrupt import interrupt_noted
from mlx_finbert.models import Classifier

FIGURES = ("loss", "accuracy", "macro_f1", "mcc", "brier")


@dataclass(repr=False)
class Evaluation:
    """Metrics and the rows that they were measured on."""

    model: str
    rows: LabelledTexts
    """The measured rows."""
    rows_in_all: int
    """Number of rows to measure; larger than the number measured after Ctrl-C."""
    labels: list[str]
    metrics: Metrics
    intervals: dict[str, np.ndarray]
    """95% intervals of the metrics, from `bootstrap_intervals`."""
    ece: float
    """Expected calibration error in 15 bins; no interval, since drawing rows enlarges it."""
    truncated: int
    """Number of measured rows that were cut."""
    logits: np.ndarray
    """float32 (N, num_labels), in the order of the rows."""
    measured: MeasuredRows | None = None
    """How the rows were chosen; None if the caller chose them."""

    @property
    def interrupted(self) -> bool:
        return len(self.rows) < self.rows_in_all

    @property
    def heading(self) -> str:
        """One line on the rows that were measured."""
        chosen = self.measured and self.measured.heading
        heading = chosen or f"{self.rows.name}: {self.rows_in_all:,} rows"
        if self.interrupted:
            heading += f"; Ctrl-C: {len(self.rows):,} of them were measured, a random sample"
        return heading

    @property
    def remarks(self) -> list[str]:
        """Sentences on limits of the figures."""
        cut = [f"{self.truncated:,} rows were too long and were cut"] if self.truncated else []
        return cut + self.metrics.remarks(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as plain values, for JSON; None for an undefined figure."""
        return {
            "model": self.model,
            "data": self.rows.name,
            "rows": len(self.rows),
            "rows_in_all": self.rows_in_all,
            "interrupted": self.interrupted,
            "truncated": self.truncated,
            **self._choice(),
            "notes": self.rows.notes + self.remarks,
            "ece": self.ece,
            **self.metrics.to_dict(self.labels),
            "intervals_95": {name: plain(bounds) for name, bounds in self.intervals.items()},
        }

    def _choice(self) -> dict[str, Any]:
        if self.measured is None:
            return {}
        return {
            "seen_rows_left_out": self.measured.seen_left_out,
            "seen_rows_checked": self.measured.seen_checked,
        }

    def __repr__(self) -> str:
        figures = ", ".join(f"{n} {getattr(self.metrics, n):.4f}" for n in FIGURES[:3])
        return f"Evaluation({self.model} on {self.heading}; {figures})"

    def _repr_html_(self) -> str:
        """Show the figures and those of each label as tables in a notebook."""
        return figures_html(self.model, self.heading, self.metrics, self.intervals, FIGURES) + (
            labels_html(self.metrics, self.intervals, self.labels)
        )

    def __str__(self) -> str:
        metrics, intervals = self.metrics, self.intervals
        blocks = [
            [self.heading, *self.rows.notes],
            [*figure_lines(metrics, intervals, FIGURES), ece_line(self.ece)],
            label_lines(metrics, intervals, self.labels),
            confusion_lines(metrics.confusion, self.labels),
            self.remarks,
        ]
        return "\n\n".join(filter(None, map("\n".join, blocks)))


@dataclass
class Checkpoint:
    """A classifier in MLX, with its tokenizer and its training run."""

    name: str
    model: Classifier
    tokenizer: Tokenizer
    run: TrainingRun
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        return self.model.args.labels

    def check(self, rows: LabelledTexts, max_length: int | None) -> None:
        rows.ids_in(self.labels)
        args = self.model.args
        checked_max_length(max_length, self.tokenizer.model_max_length, args.max_length)

    def measure(self, rows: LabelledTexts, batch_size: int, max_length: int | None) -> Evaluation:
        """Measure the model with `evaluate`."""
        return evaluate(
            self.model, self.tokenizer, rows, batch_size, max_length, self.name, show_progress=True
        )


def run(
    settings: EvaluateSettings,
    texts: LabelledTexts | None = None,
    model: Measurable | None = None,
) -> Evaluation:
    """Evaluate as the settings say.

    Args:
        settings: the settings.
        texts: the texts of `settings.data`; loaded if not given.
        model: the model that the settings name; loaded as a checkpoint if not given.

    Raises:
        InputError: if the data or the model cannot be used, or their labels do not match.
    """
    if settings.data is None:
        given = {
            field.name: value
            for field in fields(settings)
            if (value := getattr(settings, field.name)) != field.default
        }
        settings = complete(given)
    if model is None:
        model = Checkpoint(settings.model, *settings.load_with_run())
    load_texts = settings.load_texts if texts is None else lambda: texts
    measured = load_rows(load_texts, settings.rows_wanted(), model.run)
    rows = replace(measured.rows, notes=[*model.notes, *measured.rows.notes])
    # Refuse now what would fail after minutes of work.
    model.check(rows, settings.max_length)
    evaluation = model.measure(rows, settings.batch_size, settings.max_length)
    return replace(evaluation, measured=measured)


def evaluate(
    model: Classifier,
    tokenizer: Tokenizer,
    rows: LabelledTexts,
    batch_size: int = 32,
    max_length: int | None = None,
    name: str = "",
    show_progress: bool = False,
) -> Evaluation:
    """Measure a model on labelled texts; labels are matched by name.

    Args:
        model, tokenizer: from `load`.
        rows: N texts.
        batch_size: rows computed together.
        max_length: cut rows to this number of tokens; None for the tokenizer's
            `model_max_length`.
        name: the model's name in the result.
        show_progress: show a bar on a terminal, and let Ctrl-C end the measurement with the rows
            computed so far, which are a fair sample.

    Raises:
        InputError: if a row has a label that the model lacks, max_length is out of range, or the
            logits are not finite.
    """
    label_ids = rows.ids_in(model.args.labels)
    max_length = checked_max_length(max_length, tokenizer.model_max_length, model.args.max_length)
    tokens = tokenize(tokenizer, rows.texts, max_length)
    pad = tokenizer.pad_token_id
    loader = Loader(tokens, label_ids, batch_size, pad, max_length, multiple=pad_multiple())
    if show_progress:
        with interrupt_noted() as interrupted:
            ready, logits = Forward(model).logits_until(interrupted, loader, "evaluate")
    else:
        ready, logits = np.arange(len(rows)), Forward(model).all_logits(loader)
    measured = rows if len(ready) == len(rows) else rows.take(ready, rows.name)
    truncated = int(tokens.cut[ready].sum())
    return evaluation_of(name, measured, len(rows), model.args.labels, logits, truncated)


def evaluation_of(
    name: str,
    rows: LabelledTexts,
    rows_in_all: int,
    labels: list[str],
    logits: np.ndarray,
    truncated: int,
) -> Evaluation:
    """Compute the figures of a model from its logits.

    Args:
        name: the model's name in the result.
        rows: the N measured texts.
        rows_in_all: number of rows to measure.
        labels: the model's labels.
        logits: float32 (N, num_labels).
        truncated: number of measured rows that were cut.

    Raises:
        InputError: if a row has a label that the model lacks, or the logits are not finite.
    """
    label_ids = rows.ids_in(labels)
    require_finite(logits)
    metrics = measure(logits, label_ids)
    return Evaluation(
        name,
        rows,
        rows_in_all,
        labels,
        metrics,
        bootstrap_intervals(metrics),
        expected_calibration_error(softmax(logits), label_ids),
        truncated,
        logits,
    )
