"""The model card of a pretraining run."""

from typing import TYPE_CHECKING, Any

from mlx_finbert.data.sources import hub_id
from mlx_finbert.pretraining.folder import PretrainFolder
from mlx_finbert.publishing.card import python_text, text_of_card
from mlx_finbert.publishing.markdown import code, escaped, table
from mlx_finbert.publishing.private import public_data, public_model
from mlx_finbert.training.card_facts import base_model

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

FILES = {
    "config.yaml": "the settings of the run",
    "history.csv": "the figures of every evaluation",
    "metrics.json": "the held-out figures, and how much was read",
    "report.html": "the whole report",
}
"""What the files of a run hold."""


def card_of(folder: PretrainFolder, figures: dict[str, Any]) -> str:
    """The README.md of a run, without places on this machine.

    Args:
        folder: that of the run.
        figures: what `metrics.json` holds.
    """
    title = folder.path.absolute().name
    return text_of_card(header(folder), body(folder, title, figures))


def header(folder: PretrainFolder) -> "ModelCardData":
    """The metadata that the hub reads; what is not known is left out."""
    from huggingface_hub import ModelCardData

    settings = folder.settings
    dataset, base = hub_id(settings.data), base_model(settings.model)
    return ModelCardData(
        library_name="mlx",
        pipeline_tag="fill-mask",
        tags=["mlx", "mlx-finbert", folder.model.args.model_type],
        base_model=base,
        base_model_relation="finetune" if base else None,
        datasets=[dataset] if dataset else None,
    )


def body(folder: PretrainFolder, title: str, figures: dict[str, Any]) -> str:
    """The text of the card."""
    settings, train = folder.settings, figures["train"]
    read = (
        f"{code(public_model(settings.model))}, trained further with mlx-finbert to predict masked"
        f" tokens of {escaped(public_data(settings.data))}: {train['texts']:,} texts,"
        f" {train['tokens']:,} tokens, of which it read {figures['tokens_read']:,} until the end."
    )
    parts = [
        f"# {escaped(title)}",
        read,
        measured(figures),
        f"The weights are from epoch {figures['epoch']:g}, step {figures['step']:,}.",
        "\n".join(f"- `{name}`: {what}" for name, what in FILES.items()),
        usage(title),
    ]
    return "\n\n".join(parts) + "\n"


def measured(figures: dict[str, Any]) -> str:
    """The held-out figures as a table."""
    shown = [f"{figures['validation']['rows']:,}", f"{figures['loss']:.4f}"]
    perplexity = figures["perplexity"]
    shown += ["-" if perplexity is None else f"{perplexity:.2f}", f"{figures['accuracy']:.4f}"]
    return table(["held-out rows", "loss", "perplexity", "masked accuracy"], [shown])


def usage(place: str) -> str:
    """How to go on from the model."""
    call = code(f"transformers.AutoModelForMaskedLM.from_pretrained({python_text(place)})")
    fine_tune = f"mlx_finbert.fine_tune({python_text(place)}, data)"
    return (
        f"To make a classifier of it:\n\n```python\nimport mlx_finbert\n\nresult = {fine_tune}\n```"
        f"\n\nThe model is a Hugging Face checkpoint: {call} opens it too."
    )
