"""Model cards: a header that the hub reads, and a text."""

import json
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_finbert.evaluation.metrics import BOOTSTRAP_DRAWS
from mlx_finbert.files.atomic import write_text
from mlx_finbert.publishing.facts import CardFacts, Measured, write_facts
from mlx_finbert.publishing.markdown import code, escaped, one_line, table

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

METRICS = {
    "loss": ("loss", "Cross-entropy"),
    "accuracy": ("accuracy", "Accuracy"),
    "macro_f1": ("f1", "Macro-F1"),
    "mcc": ("matthews_correlation", "Matthews correlation"),
    "brier": ("brier_score", "Brier score"),
}
"""The hub's type and the name of each figure in the header."""

SHOWN = {"loss": "loss", "accuracy": "accuracy", "macro_f1": "macro-F1"}
"""The figures of the table, with their headings."""

FILES = {
    "config.yaml": "the settings of the run, which say how its rows were split",
    "history.csv": "the figures of every evaluation during training",
    "metrics.json": "all figures, with their intervals",
    "report.html": "the whole report",
    "seen_texts.tsv": "hashes of the training and validation texts and their labels, from which"
    " `mlx_finbert.evaluate` knows what to leave out",
}
"""What the files of a run hold."""

EXAMPLE = "Operating loss narrowed to EUR 1.2 mn."


def write_card(folder: Path, facts: CardFacts, place: Path) -> None:
    """Write the README.md of a run and the facts that it was made of.

    Args:
        folder: where to write.
        facts: those of the run.
        place: the run's folder, which the card names without its place on this machine.
    """
    title = place.absolute().name or facts.model_type
    card = text_of_card(header(facts, title), body(facts, title, title, FILES))
    write_text(folder / "README.md", card)
    write_facts(folder, facts, card, place)


def text_of_card(data: "ModelCardData", text: str) -> str:
    """A card: its header as YAML, then its text."""
    return f"---\n{data.to_yaml()}\n---\n\n{text}"


def header(facts: CardFacts, title: str, **more: Any) -> "ModelCardData":
    """The metadata that the hub reads; what is not known is left out.

    Args:
        facts: what is known of the model.
        title: the model's name.
        more: further fields, or other values for them.
    """
    from huggingface_hub import ModelCardData

    values: dict[str, Any] = {
        "library_name": "mlx",
        "pipeline_tag": "text-classification",
        "tags": ["mlx", "mlx-finbert", facts.model_type],
        "base_model": facts.base_model,
        "datasets": [facts.dataset] if facts.dataset else None,
    }
    if results := eval_results(facts):
        values |= {"model_name": one_line(title), "eval_results": results}
    values |= {name: value for name, value in more.items() if value is not None}
    if values["base_model"]:
        if facts.is_adapters:
            values["base_model_relation"] = "adapter"
        elif facts.model:
            values["base_model_relation"] = "finetune"
    return ModelCardData(**values)


def eval_results(facts: CardFacts) -> "list[EvalResult]":
    """The figures of the rows measured last: the test rows if there are any."""
    from huggingface_hub import EvalResult

    if not facts.measured or facts.data is None:
        return []
    measured, data = facts.measured[-1], one_line(facts.data)
    return [
        EvalResult(
            task_type="text-classification",
            task_name="Text classification",
            dataset_type=facts.dataset or data,
            dataset_name=data,
            dataset_split=measured.split,
            dataset_args=rows_of(measured),
            metric_type=METRICS[name][0],
            metric_name=METRICS[name][1],
            metric_value=measured.figures[name],
            metric_args=args_of(name, measured),
        )
        for name in METRICS
        if name in measured.figures
    ]


def rows_of(measured: Measured) -> dict[str, int] | None:
    """The number of rows behind the figures, as far as it is known."""
    if measured.rows is None:
        return None
    if measured.rows_in_all in (None, measured.rows):
        return {"rows": measured.rows}
    return {"rows": measured.rows, "rows_in_all": measured.rows_in_all}


def args_of(name: str, measured: Measured) -> dict[str, Any] | None:
    """How a figure was computed, and its interval: the hub's format has no field of its own."""
    args: dict[str, Any] = {"average": "macro"} if name == "macro_f1" else {}
    if name in measured.intervals:
        args["confidence_interval_95"] = measured.intervals[name]
        args["interval_method"] = f"percentile bootstrap, {BOOTSTRAP_DRAWS} draws of the rows"
    return args or None


def body(facts: CardFacts, title: str, place: str, files: Collection[str]) -> str:
    """The text of a card.

    Args:
        facts: what is known of the model.
        title: the model's name.
        place: what to give to `load`: a folder or an id on the hub.
        files: names of the files that are there.
    """
    parts = [
        f"# {escaped(title)}",
        origin(facts),
        f"Labels, in the order of the logits: {', '.join(map(escaped, facts.labels))}.",
        figures_table(facts.measured),
        weights(facts),
        "\n".join(f"- `{name}`: {what}" for name, what in FILES.items() if name in files),
        example(place),
        usage(facts, place),
        licence(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def origin(facts: CardFacts) -> str:
    """What the model is, and what it was made of."""
    if facts.model is None or facts.data is None:
        what = "LoRA adapters for a text classifier" if facts.is_adapters else "A text classifier"
        base = f", made of {code(facts.base_model)}" if facts.base_model else ""
        return f"{what} of the family {escaped(facts.model_type)}{base}."
    rows = f" ({facts.train_rows:,} training rows)" if facts.train_rows else ""
    made = f"{code(facts.model)}, fine-tuned with mlx-finbert on {escaped(facts.data)}{rows}"
    if facts.teacher is None:
        return f"{made}."
    more = f" and {facts.unlabelled_rows:,} unlabelled texts" if facts.unlabelled_rows else ""
    return f"{made}{more}, and distilled from {code(facts.teacher)}."


def figures_table(measured: list[Measured]) -> str:
    """The figures, with their intervals in brackets."""
    if not measured:
        return ""
    shown = table(
        ["rows", *SHOWN.values()],
        [[rows_name(found), *(cell(found, name) for name in SHOWN)] for found in measured],
    )
    has_intervals = any(found.intervals for found in measured)
    return shown + ("\n\nIn brackets: 95% intervals (bootstrap)." if has_intervals else "")


def rows_name(measured: Measured) -> str:
    """The first cell of a line: the rows, and how many of them if not all."""
    if measured.rows_in_all in (None, measured.rows):
        return escaped(measured.split)
    return f"{escaped(measured.split)} ({measured.rows:,} of {measured.rows_in_all:,})"


def cell(measured: Measured, name: str) -> str:
    """A figure and its interval; a dash if it is undefined."""
    if name not in measured.figures:
        return "-"
    figure = f"{measured.figures[name]:.4f}"
    if name not in measured.intervals:
        return figure
    low, high = measured.intervals[name]
    return f"{figure} ({low:.4f} to {high:.4f})"


def weights(facts: CardFacts) -> str:
    """Which evaluation the weights are from."""
    if facts.epoch is None:
        return ""
    last = facts.chosen_by in (None, "last")
    chosen = "the last one" if last else f"the best one by {escaped(str(facts.chosen_by))}"
    return f"The weights are from epoch {facts.epoch:g}, {chosen}."


def example(place: str) -> str:
    """How to use the model in Python."""
    return "\n".join(
        [
            "```python",
            "import mlx_finbert",
            "",
            f"model, tokenizer = mlx_finbert.load({python_text(place)})",
            f'mlx_finbert.predict_proba(model, tokenizer, ["{EXAMPLE}"])',
            "```",
        ]
    )


def usage(facts: CardFacts, place: str) -> str:
    """Which other tools open the model, and whether its probabilities are calibrated."""
    said = (
        "These are LoRA adapters, which need the base model. To merge both into a Hugging Face"
        " checkpoint: "
        + code(f"python -m mlx_finbert.convert.fuse --model {shlex.quote(place)} --output DIR")
        + "."
    )
    if facts.is_quantized:
        said = "The weights are quantized in MLX's format, which `transformers` does not open."
    elif not facts.is_adapters:
        call = code(f'transformers.pipeline("text-classification", {python_text(place)})')
        said = f"The model is a Hugging Face checkpoint: {call} opens it too."
    if facts.temperature != 1:
        said += (
            "\n\nThe probabilities are calibrated in every tool that opens the model: the"
            f" temperature {facts.temperature:.3f}, fitted on the validation rows (Guo et al."
            " 2017), is folded into the head."
        )
    return said


def licence(facts: CardFacts) -> str:
    """The licence of the training data."""
    if facts.data is None:
        return ""
    return f"Licence of the training data: {escaped(facts.data_licence or 'unknown')}."


def python_text(text: str) -> str:
    """A string of Python in double quotes."""
    return json.dumps(one_line(text), ensure_ascii=False)
