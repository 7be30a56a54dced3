"""Measuring a fine-tuned classifier on labelled texts."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mlx_finbert.calibration import BINS, expected_calibration_error
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.settings import INCLUDE_SEEN, DataSettings, require_rows, require_split
from mlx_finbert.data.tokens import checked_max_length, tokenize
from mlx_finbert.device import length_multiple
from mlx_finbert.forward import Forward
from mlx_finbert.labels import match_labels
from mlx_finbert.measured_rows import MeasuredRows, RowsWanted, Split, load_rows
from mlx_finbert.metrics import Metrics, bootstrap_intervals, measure, softmax
from mlx_finbert.model_settings import ModelSettings
from mlx_finbert.models import Classifier
from mlx_finbert.settings import setting
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training_run import TrainingRun, with_own_data

AS_TRAINED = "(default: as in the model's training run, else as train's default)"


@dataclass(kw_only=True)
class EvaluateSettings(DataSettings, ModelSettings):
    """The flags of `python -m mlx_finbert.evaluate`."""

    data: str | None = setting(
        None, "as for train's --data (default: what the model was trained on, read in the same way)"
    )
    split: Split | None = setting(
        None,
        "which rows (default: the test rows of the data that the model was trained on, or that"
        " marks its own; all rows of other data)",
    )
    split_seed: int | None = setting(None, f"of the split {AS_TRAINED}")
    test_fraction: float | None = setting(None, f"share of the test rows {AS_TRAINED}")
    validation_fraction: float | None = setting(
        None, f"share of the other rows that are validation rows {AS_TRAINED}"
    )
    max_eval_rows: int | None = setting(None, "measure at most N rows, a sample by hash")
    include_seen: bool = setting(False, INCLUDE_SEEN)
    json: bool = setting(False, "print JSON")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_split(self.split_seed, self.test_fraction, self.validation_fraction)
        require_rows(self.max_eval_rows, "--max-eval-rows")

    def rows_wanted(self) -> RowsWanted:
        """Which rows the flags ask for."""
        return RowsWanted(
            self.data,
            self.split,
            self.split_seed,
            self.test_fraction,
            self.validation_fraction,
            self.include_seen,
            self.max_eval_rows,
        )


def complete(given: dict[str, Any]) -> EvaluateSettings:
    """Settings from what was given; those of the model's run say how to read its own data.

    Raises:
        InputError: for values out of range, or where no data is named by anything.
    """
    return EvaluateSettings(**with_own_data(given, EvaluateSettings, "data"))


@dataclass
class Evaluation:
    """Metrics and what they were measured on."""

    model: str
    rows: LabelledTexts
    labels: list[str]
    metrics: Metrics
    intervals: dict[str, np.ndarray]
    """95% intervals of the metrics, as `bootstrap_intervals` gives them."""
    ece: float
    """Expected calibration error in 15 bins; it has no interval, for draws of rows enlarge it."""
    truncated: int
    """Rows that were cut."""
    measured: MeasuredRows | None = None
    """How the rows were chosen; None for rows that a caller chose."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "model": self.model,
            "data": self.rows.name,
            "rows": len(self.rows),
            "truncated": self.truncated,
            **self._choice(),
            "ece": self.ece,
            **self.metrics.to_dict(self.labels),
            "intervals_95": {name: bounds.tolist() for name, bounds in self.intervals.items()},
        }

    def _choice(self) -> dict[str, Any]:
        if self.measured is None:
            return {"notes": self.rows.notes}
        return {
            "seen_rows_left_out": self.measured.seen_left_out,
            "seen_rows_checked": self.measured.seen_checked,
            "notes": self.rows.notes,
        }

    def __str__(self) -> str:
        rows = self.rows
        heading = self.measured.heading if self.measured else f"{rows.name}: {len(rows):,} rows"
        lines = [heading, *rows.notes, "", f"{'':<12}value  95% interval"]
        for name in ("loss", "accuracy", "macro_f1", "mcc", "brier"):
            low, high = self.intervals[name]
            lines.append(f"{name:<10}{getattr(self.metrics, name):>7.4f}  {low:.4f} to {high:.4f}")
        lines.append(f"{'ece':<10}{self.ece:>7.4f}  {BINS} bins")
        lines += ["", *self._label_lines(), "", *self._confusion_lines()]
        if self.truncated:
            lines += ["", f"{self.truncated:,} rows were too long and were cut"]
        return "\n".join(lines)

    def _label_lines(self) -> Iterator[str]:
        width = max(5, *map(len, self.labels)) + 2
        figures = ("precision", "recall", "f1")
        yield f"{'label':<{width}}" + "".join(f"{name:<20}" for name in figures) + "rows"
        for i, label in enumerate(self.labels):
            cells = ""
            for name in figures:
                low, high = self.intervals[name][:, i]
                value = getattr(self.metrics, name)[i]
                cells += f"{f'{value:.3f} ({low:.3f}-{high:.3f})':<20}"
            yield f"{label:<{width}}{cells}{self.metrics.confusion[i].sum():,}"

    def _confusion_lines(self) -> Iterator[str]:
        width = max(5, *map(len, self.labels)) + 2
        yield f"{'true':<{width}}" + "".join(f"{name:>{width + 2}}" for name in self.labels)
        for label, counts in zip(self.labels, self.metrics.confusion, strict=True):
            yield f"{label:<{width}}" + "".join(f"{n:>{width + 2},}" for n in counts)


def run(settings: EvaluateSettings) -> Evaluation:
    """Evaluate as the settings say.

    Raises:
        InputError: for data or a model that cannot be used, or labels that do not match.
    """
    if settings.data is None:
        values = {f: getattr(settings, f.name) for f in fields(settings)}
        settings = complete({f.name: value for f, value in values.items() if value != f.default})
    model, tokenizer = settings.load_model()
    training_run = TrainingRun.of(settings.model, settings.revision)
    measured = load_rows(settings.load_texts, settings.rows_wanted(), training_run)
    evaluation = evaluate(
        model,
        tokenizer,
        measured.rows,
        settings.batch_size,
        settings.max_length,
        name=settings.model,
    )
    return replace(evaluation, measured=measured)


def evaluate(
    model: Classifier,
    tokenizer: Tokenizer,
    rows: LabelledTexts,
    batch_size: int = 32,
    max_length: int | None = None,
    name: str = "",
) -> Evaluation:
    """Metrics of a model on labelled texts, labels matched by name.

    Args:
        model, tokenizer: from `load`.
        rows: N texts.
        batch_size: rows computed together.
        max_length: longer rows are cut to so many tokens; the tokenizer's `model_max_length` where
            None.
        name: what to call the model.

    Raises:
        InputError: where the labels' names are not the same set, or max_length is out of range.
    """
    labels = match_labels(rows.label_names, model.args.labels)[rows.labels]
    max_length = checked_max_length(max_length, tokenizer.model_max_length, model.args.max_length)
    tokens = tokenize(tokenizer, rows.texts, max_length)
    pad = tokenizer.pad_token_id
    loader = Loader(tokens, labels, batch_size, pad, max_length, multiple=length_multiple())
    logits = Forward(model).all_logits(loader)
    metrics = measure(logits, labels)
    return Evaluation(
        name,
        rows,
        model.args.labels,
        metrics,
        bootstrap_intervals(metrics),
        expected_calibration_error(softmax(logits), labels),
        tokens.truncated,
    )
