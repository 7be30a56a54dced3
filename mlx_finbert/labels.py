"""Label names: reading them alike, and matching those of a model with those of a data set."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.models.config import generic_labels, labels_of

SYNONYMS = {
    "positive": {"positive", "pos", "bullish"},
    "negative": {"negative", "neg", "bearish"},
    "neutral": {"neutral", "neu", "none"},
}


def canonical(label: str) -> str:
    """One spelling for the names that different sources give the same label."""
    name = label.strip().casefold()
    return next((one for one, names in SYNONYMS.items() if name in names), name)


def are_generic(labels: Sequence[str]) -> bool:
    """Whether these are Hugging Face's `LABEL_0`, `LABEL_1`, ..., which mean nothing."""
    return all(re.fullmatch(r"LABEL_\d+", label) for label in labels)


def match_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> np.ndarray:
    """The model's id for each of the data set's ids, matched by name.

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


def relabel(
    config: dict[str, Any],
    num_labels: int | None,
    labels: Sequence[str] | None,
    has_head: bool,
    folder: Path,
) -> dict[int, str]:
    """`id2label` of the model to build: the caller's wish, held against the checkpoint's head.

    Raises:
        InputError: where wish and head contradict each other, or a name is empty or stands twice.
    """
    if labels is not None:
        check_names(labels)
        if num_labels is not None and num_labels != len(labels):
            raise InputError(f"num_labels is {num_labels}, but {len(labels)} labels are named")
        num_labels = len(labels)
    if num_labels is not None and num_labels < 1:
        raise InputError(f"num_labels is {num_labels}: a classifier needs at least 1")
    own = labels_of(config)
    if not has_head:
        wanted = labels or generic_labels(num_labels or len(own)).values()
        return dict(enumerate(wanted)) if labels or num_labels else own
    if num_labels is not None and num_labels != len(own):
        raise InputError(
            f"{folder} has a head of {len(own)} labels ({', '.join(own.values())}), not"
            f" {num_labels}; for a fresh head use new_head=True (--new-head)"
        )
    if labels is None:
        return own
    known = [canonical(name) for name in own.values()]
    if not are_generic(list(own.values())) and [canonical(name) for name in labels] != known:
        raise InputError(
            f"{folder} names the outputs of its head {', '.join(own.values())}, in this order,"
            f" not {', '.join(labels)}; leave the names out or use new_head=True (--new-head)"
        )
    return dict(enumerate(labels))


def check_names(labels: Sequence[str]) -> None:
    """Refuse names that are empty or stand twice, also under another spelling."""
    names = [canonical(label) for label in labels]
    if "" in names:
        raise InputError(f"a label name is empty: {list(labels)}")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the label {name!r} stands twice in {', '.join(labels)}")
