"""Measuring a fine-tuned classifier on labelled texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from mlx_finbert.checkpoint import load_trained
from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.settings import DataSettings, require
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.errors import InputError
from mlx_finbert.forward import all_logits, make_forward
from mlx_finbert.labels import match_labels
from mlx_finbert.metrics import Metrics, bootstrap_intervals, measure
from mlx_finbert.models import Classifier
from mlx_finbert.settings import setting
from mlx_finbert.tokenizer import Tokenizer


@dataclass(kw_only=True)
class EvaluateSettings(DataSettings):
    """The flags of `python -m mlx_finbert.evaluate`."""

    model: str | None = setting(None, "a fine-tuned folder or hub id (required)")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs in their order, where the checkpoint has none"
    )
    split: Literal["test", "validation", "train", "all"] = setting("test", "which rows")
    split_seed: int | None = setting(
        None, "of the split (default: that of the model's training on the same data, else 0)"
    )
    batch_size: int = setting(32, "rows computed together")
    max_length: int | None = setting(None, "cut rows to so many tokens (default: the model's most)")
    json: bool = setting(False, "print JSON")

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("--model is missing: name a fine-tuned folder or a hub id")
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")


@dataclass
class Evaluation:
    """Metrics and what they were measured on."""

    model: str
    rows: LabelledTexts
    labels: list[str]
    metrics: Metrics
    intervals: dict[str, tuple[float, float]]
    truncated: int

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
    model, tokenizer = load_trained(settings.model, settings.model_labels, settings.revision)
    texts = settings.load_texts()
    if settings.split == "all":
        rows = texts
    else:
        rows = make_splits(texts, split_seed(settings)).part(settings.split)
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
    """Metrics of a model in evaluation mode on labelled texts, labels matched by name."""
    labels = match_labels(rows.label_names, model.args.labels)[rows.labels]
    max_length = min(max_length or model.args.max_length, model.args.max_length)
    tokens = tokenize(tokenizer, rows.texts, max_length)
    loader = Loader(tokens, labels, batch_size, tokenizer.pad_token_id, max_length)
    metrics = measure(all_logits(make_forward(model), loader, model.args.num_labels), labels)
    intervals = bootstrap_intervals(metrics.confusion)
    return Evaluation(name, rows, model.args.labels, metrics, intervals, tokens.truncated)


def split_seed(settings: EvaluateSettings) -> int:
    """The seed asked for, or that of the training run, so that no training row is tested."""
    if settings.split_seed is not None:
        return settings.split_seed
    path = Path(settings.model) / "config.yaml"
    if not path.is_file():
        return 0
    run = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return run.get("split_seed", 0) if run.get("data") == settings.data else 0
