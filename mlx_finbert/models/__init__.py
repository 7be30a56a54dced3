"""Sequence classifiers, one file per `model_type` of the Hugging Face config."""

from collections.abc import Callable
from typing import Any

from mlx_finbert.errors import InputError, quoted
from mlx_finbert.models.bert import BertArgs, BertForSequenceClassification
from mlx_finbert.models.config import ClassifierArgs
from mlx_finbert.models.distilbert import DistilBertArgs, DistilBertForSequenceClassification
from mlx_finbert.models.roberta import RobertaArgs, RobertaForSequenceClassification

Classifier = (
    BertForSequenceClassification
    | DistilBertForSequenceClassification
    | RobertaForSequenceClassification
)

FAMILIES: dict[str, tuple[type[ClassifierArgs], type[Classifier]]] = {
    "bert": (BertArgs, BertForSequenceClassification),
    "distilbert": (DistilBertArgs, DistilBertForSequenceClassification),
    "roberta": (RobertaArgs, RobertaForSequenceClassification),
}


def family_of(config: dict[str, Any]) -> tuple[type[ClassifierArgs], type[Classifier]]:
    """The args class and the model class for a config.

    Raises:
        InputError: for an unsupported architecture.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise InputError(
            f"config.json: model_type = {quoted(model_type)} is not supported;"
            f" use one of {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]


def build(config: dict[str, Any]) -> Classifier:
    """Build a model with the config's architecture and random weights."""
    args_class, model_class = family_of(config)
    make: Callable[[Any], Classifier] = model_class
    return make(args_class.from_config(config))


__all__ = ["FAMILIES", "Classifier", "ClassifierArgs", "build", "family_of"]
