"""Measuring a fine-tuned classifier on labelled texts."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlx_finbert.calibration import BINS, expected_calibration_error
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.settings import DataSettings, SplitSettings, require_split
from mlx_finbert.data.tokens import checked_max_length, tokenize
from mlx_finbert.device import length_multiple
from mlx_finbert.forward import Forward
from mlx_finbert.metrics import Metrics, bootstrap_intervals, measure, softmax
from mlx_finbert.model_settings import ModelSettings
from mlx_finbert.models import Classifier
from mlx_finbert.settings import read_config_file, setting
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training.settings import TrainSettings

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
    labels: list[str]
    metrics: Metrics
    intervals: dict[str, np.ndarray]
    """95% intervals of the metrics, as `bootstrap_intervals` gives them."""
    ece: float
    """Expected calibration error in 15 bins; it has no interval, for draws of rows enlarge it."""
    truncated: int
    """Rows that were cut."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "model": self.model,
            "data": self.rows.name,
            "rows": len(self.rows),
            "truncated": self.truncated,
            "ece": self.ece,
            **self.metrics.to_dict(self.labels),
            "intervals_95": {name: bounds.tolist() for name, bounds in self.intervals.items()},
        }

    def __str__(self) -> str:
        lines = [f"{self.rows.name}: {len(self.rows):,} rows", "", f"{'':<12}value  95% interval"]
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
        model, tokenizer, rows, settings.batch_size, settings.max_length, name=settings.model
    )


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
        InputError: where a row has a label that the model lacks, or max_length is out of range.
    """
    labels = rows.ids_in(model.args.labels)
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
