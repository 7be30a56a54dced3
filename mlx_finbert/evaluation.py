"""Measuring a fine-tuned classifier on labelled texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.settings import DataSettings
from mlx_finbert.data.tokens import checked_max_length, tokenize
from mlx_finbert.errors import InputError
from mlx_finbert.forward import Forward
from mlx_finbert.labels import match_labels
from mlx_finbert.metrics import Metrics, bootstrap_intervals, measure
from mlx_finbert.model_settings import ModelSettings
from mlx_finbert.models import Classifier
from mlx_finbert.settings import require, setting
from mlx_finbert.tokenizer import Tokenizer


@dataclass(kw_only=True)
class EvaluateSettings(DataSettings, ModelSettings):
    """The flags of `python -m mlx_finbert.evaluate`."""

    split: Literal["test", "validation", "train", "all"] = setting("test", "which rows")
    split_seed: int | None = setting(
        None, "of the split (default: that of the model's training run, or 0)"
    )
    json: bool = setting(False, "print JSON")

    def __post_init__(self) -> None:
        super().__post_init__()
        seed = self.split_seed
        require(seed is None or seed >= 0, "--split-seed", seed, "at least 0")


@dataclass
class Evaluation:
    """Metrics and what they were measured on."""

    model: str
    rows: LabelledTexts
    labels: list[str]
    metrics: Metrics
    intervals: dict[str, tuple[float, float]]
    truncated: int
    """Rows that were cut."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "model": self.model,
            "data": self.rows.name,
            "rows": len(self.rows),
            "truncated": self.truncated,
            **self.metrics.to_dict(self.labels),
            "intervals_95": {name: list(bounds) for name, bounds in self.intervals.items()},
        }

    def __str__(self) -> str:
        m = self.metrics
        lines = [f"{self.rows.name}: {len(self.rows):,} rows, loss {m.loss:.4f}"]
        for name, value in (("accuracy", m.accuracy), ("macro_f1", m.macro_f1)):
            low, high = self.intervals[name]
            lines.append(f"{name:<10}{value:.4f}  (95% interval {low:.4f} to {high:.4f})")
        width = max(len("label"), *map(len, self.labels)) + 2
        columns = max(11, width)
        lines += ["", f"{'label':<{width}}{'precision':>10}{'recall':>10}{'f1':>10}{'rows':>10}"]
        for i, label in enumerate(self.labels):
            lines.append(
                f"{label:<{width}}{m.precision[i]:>10.4f}{m.recall[i]:>10.4f}{m.f1[i]:>10.4f}"
                f"{m.confusion[i].sum():>10,}"
            )
        lines += ["", f"{'true':<{width}}" + "".join(f"{name:>{columns}}" for name in self.labels)]
        for label, counts in zip(self.labels, m.confusion, strict=True):
            lines.append(f"{label:<{width}}" + "".join(f"{n:>{columns},}" for n in counts))
        if self.truncated:
            lines.append(
                f"{self.truncated:,} rows were longer than the model's window and were cut"
            )
        return "\n".join(lines)


def run(settings: EvaluateSettings) -> Evaluation:
    """Evaluate as the settings say.

    Raises:
        InputError: for data or a model that cannot be used, or labels that do not match.
    """
    model, tokenizer = settings.load_model()
    rows = settings.load_texts()
    if settings.split != "all":
        seed = split_seed(settings)
        rows = make_splits(rows, seed).part(settings.split)
        rows.name = f"{rows.name}, split seed {seed}"
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
        InputError: where the labels' names are not the same set, or max_length is out of range.
    """
    labels = match_labels(rows.label_names, model.args.labels)[rows.labels]
    max_length = checked_max_length(max_length, tokenizer.model_max_length, model.args.max_length)
    tokens = tokenize(tokenizer, rows.texts, max_length)
    loader = Loader(tokens, labels, batch_size, tokenizer.pad_token_id, max_length)
    metrics = measure(Forward(model).all_logits(loader), labels)
    intervals = bootstrap_intervals(metrics.confusion)
    return Evaluation(name, rows, model.args.labels, metrics, intervals, tokens.truncated)


def split_seed(settings: EvaluateSettings) -> int:
    """The seed asked for, or that of the training run, so that no training row is tested."""
    path = Path(settings.model) / "config.yaml"
    if settings.split_seed is not None:
        return settings.split_seed
    if not path.is_file():
        return 0
    try:
        return int(yaml.safe_load(path.read_text(encoding="utf-8"))["split_seed"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} names no split_seed: give the run's own as --split-seed"
        ) from None
