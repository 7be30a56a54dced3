"""Label names: one spelling for the same label, and matching those of a model and of data."""

import re
from collections.abc import Sequence

import numpy as np

from mlx_finbert.encoding import is_encodable
from mlx_finbert.errors import InputError

SYNONYMS = {
    "positive": {"positive", "pos", "bullish"},
    "negative": {"negative", "neg", "bearish"},
    "neutral": {"neutral", "neu"},
}


def canonical(label: str) -> str:
    """The name by which labels are compared: case aside, one for all spellings of a sentiment."""
    name = label.strip().casefold()
    return next((one for one, names in SYNONYMS.items() if name in names), name)


def generic_labels(num_labels: int) -> dict[int, str]:
    """Hugging Face's names for labels that have none."""
    return {i: f"LABEL_{i}" for i in range(num_labels)}


def are_generic(labels: Sequence[str]) -> bool:
    """Whether these are `LABEL_0`, `LABEL_1`, ..., which mean nothing."""
    return all(re.fullmatch(r"LABEL_\d+", label) for label in labels)


def check_names(labels: Sequence[str]) -> None:
    """Refuse names that are empty or stand twice, also under another spelling."""
    for label in labels:
        if not is_encodable(label):
            raise InputError(f"the label {label!r} holds half a character: write it anew")
    names = [canonical(label) for label in labels]
    if "" in names:
        raise InputError(f"a label name is empty: {list(labels)}")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the label {name!r} stands twice in {', '.join(labels)}")


def match_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> np.ndarray:
    """The model's id for each of the data's ids, matched by name.

    ProsusAI/finbert, finbert-tone and Financial PhraseBank order the same three labels in three
    ways, so equal counts prove nothing.

    Returns:
        int32 (number of data labels,).

    Raises:
        InputError: lists both where the names are not the same set.
    """
    ids = {canonical(label): i for i, label in enumerate(model_labels)}
    names = [canonical(label) for label in data_labels]
    if sorted(ids) != sorted(names):
        advice = (
            "name the head's outputs in their order with --model-labels"
            if are_generic(model_labels)
            else "choose other data, rename its labels, or train a fresh head with --new-head"
        )
        raise InputError(
            f"the labels of the data ({', '.join(data_labels)}) are not those of the model"
            f" ({', '.join(model_labels)}): {advice}"
        )
    return np.array([ids[name] for name in names], dtype=np.int32)
