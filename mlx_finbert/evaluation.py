"""Measuring a fine-tuned classifier on labelled texts."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlx_finbert.calibration import expected_calibration_error
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.settings import DataSettings, SplitSettings, require_split
from mlx_finbert.data.tokens import checked_max_length, tokenize
from mlx_finbert.device import length_multiple
from mlx_finbert.evaluation_text import confusion_lines, ece_line, figure_lines, label_lines
from mlx_finbert.forward import Forward
from mlx_finbert.interrupt import interrupt_noted
from mlx_finbert.labels import match_labels
from mlx_finbert.metrics import (
    Metrics,
    bootstrap_intervals,
    measure,
    plain,
    require_finite,
    softmax,
)
from mlx_finbert.model_settings import ModelSettings
from mlx_finbert.models import Classifier
from mlx_finbert.settings import read_config_file, setting
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training.settings import TrainSettings

FIGURES = ("loss", "accuracy", "macro_f1", "mcc", "brier")
AS_TRAINED = "(default: as in the model's training run, else as train's default)"


@dataclass(kw_only=True)
class EvaluateSettings(DataSettings, ModelSettings):
    """The flags of `python -m mlx_finbert.evaluate`."""

    split: Literal["test", "validation", "train", "all"] = setting("test", "which rows")
    split_seed: int | None = setting(None, f"of the split {AS_TRAINED}")
    test_fraction: float | None = setting(None, f"share of the test rows {AS_TRAINED}")
    validation_fraction: float | None = setting(
        None, f"share of the other rows that are validation rows {AS_TRAINED}"
    )
    json: bool = setting(False, "print JSON")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_split(self.split_seed, self.test_fraction, self.validation_fraction)


@dataclass
class Evaluation:
    """Metrics and what they were measured on."""

    model: str
    rows: LabelledTexts
    """Those that were measured."""
    rows_in_all: int
    """More than that where Ctrl-C ended the measurement."""
    labels: list[str]
    metrics: Metrics
    intervals: dict[str, np.ndarray]
    """95% intervals of the metrics, as `bootstrap_intervals` gives them."""
    ece: float
    """Expected calibration error in 15 bins; it has no interval, for draws of rows enlarge it."""
    truncated: int
    """Measured rows that were cut."""

    @property
    def interrupted(self) -> bool:
        return len(self.rows) < self.rows_in_all

    @property
    def heading(self) -> str:
        """What was measured."""
        heading = f"{self.rows.name}: {self.rows_in_all:,} rows"
        if self.interrupted:
            heading += f"; Ctrl-C: {len(self.rows):,} of them were measured, a random sample"
        return heading

    @property
    def remarks(self) -> list[str]:
        """Sentences on what makes the figures say less than they seem to."""
        cut = [f"{self.truncated:,} rows were too long and were cut"] if self.truncated else []
        return cut + self.metrics.remarks(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON; None for an undefined figure."""
        return {
            "model": self.model,
            "data": self.rows.name,
            "rows": len(self.rows),
            "rows_in_all": self.rows_in_all,
            "interrupted": self.interrupted,
            "truncated": self.truncated,
            "notes": self.rows.notes + self.remarks,
            "ece": self.ece,
            **self.metrics.to_dict(self.labels),
            "intervals_95": {name: plain(bounds) for name, bounds in self.intervals.items()},
        }

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


def run(settings: EvaluateSettings) -> Evaluation:
    """Evaluate as the settings say.

    Raises:
        InputError: for data or a model that cannot be used, or labels that do not match.
    """
    model, tokenizer = settings.load_model()
    rows = settings.load_texts()
    if settings.split != "all":
        split = split_as_trained(
            settings.model,
            settings.split_seed,
            settings.test_fraction,
            settings.validation_fraction,
        )
        rows = split.split(rows).part(settings.split)
        rows.name = f"{rows.name}, split seed {split.split_seed}"
    return evaluate(
        model,
        tokenizer,
        rows,
        settings.batch_size,
        settings.max_length,
        name=settings.model,
        show_progress=True,
    )


def evaluate(
    model: Classifier,
    tokenizer: Tokenizer,
    rows: LabelledTexts,
    batch_size: int = 32,
    max_length: int | None = None,
    name: str = "",
    show_progress: bool = False,
) -> Evaluation:
    """Metrics of a model on labelled texts, labels matched by name.

    Args:
        model, tokenizer: from `load`.
        rows: N texts.
        batch_size: rows computed together.
        max_length: longer rows are cut to so many tokens; the tokenizer's `model_max_length` where
            None.
        name: what to call the model.
        show_progress: show a bar on a terminal, and let Ctrl-C end the measurement with the rows
            that are ready, which are a fair sample.

    Raises:
        InputError: where the labels' names are not the same set, max_length is out of range, or
            the logits are not finite.
    """
    labels = match_labels(rows.label_names, model.args.labels)[rows.labels]
    max_length = checked_max_length(max_length, tokenizer.model_max_length, model.args.max_length)
    tokens = tokenize(tokenizer, rows.texts, max_length)
    pad = tokenizer.pad_token_id
    loader = Loader(tokens, labels, batch_size, pad, max_length, multiple=length_multiple())
    if show_progress:
        with interrupt_noted() as interrupted:
            ready, logits = Forward(model).logits_until(interrupted, loader, "evaluate")
    else:
        ready, logits = np.arange(len(rows)), Forward(model).all_logits(loader)
    require_finite(logits)
    metrics = measure(logits, labels[ready])
    return Evaluation(
        name,
        rows if len(ready) == len(rows) else rows.take(ready, rows.name),
        len(rows),
        model.args.labels,
        metrics,
        bootstrap_intervals(metrics),
        expected_calibration_error(softmax(logits), labels[ready]),
        int(tokens.cut[ready].sum()),
    )


def split_as_trained(
    model: str,
    split_seed: int | None = None,
    test_fraction: float | None = None,
    validation_fraction: float | None = None,
) -> SplitSettings:
    """How to split: as asked, or as in the training run, so that no training row is tested."""
    wished = {
        "split_seed": split_seed,
        "test_fraction": test_fraction,
        "validation_fraction": validation_fraction,
    }
    path = Path(model).expanduser() / "config.yaml"
    run = read_config_file(path, TrainSettings) if path.is_file() else {}
    names = {field.name for field in fields(SplitSettings)}
    options = {name: value for name, value in run.items() if name in names}
    return SplitSettings(**options | {n: v for n, v in wished.items() if v is not None})
