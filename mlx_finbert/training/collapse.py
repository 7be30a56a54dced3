"""Warns of a model that has collapsed: it predicts one label whatever the text."""

import numpy as np

from mlx_finbert.training.config import TrainSettings

FEW = 0.1
"""A model has collapsed if the rows that it gives other labels than the commonest prediction are
fewer than this share of the rows that truly have other labels."""


def collapse_warning(
    logits: np.ndarray, label_ids: np.ndarray, labels: list[str], settings: TrainSettings
) -> str | None:
    """Describe the collapse of a trained model and its likely remedies; None without a collapse.

    By `FEW` a model that always predicts one label has collapsed if any row has another one, and a
    rare label is not expected to be predicted more often than it occurs.

    Args:
        logits: float32 (N, num_labels) of the validation rows, N at least 1.
        label_ids: int (N,), in the order of the logits.
        labels: the label names, in the same order.
        settings: those of the run.
    """
    predicted = logits.argmax(axis=1)
    label = np.bincount(predicted).argmax()
    others = np.count_nonzero(label_ids != label)
    different = np.count_nonzero(predicted != label)
    if different >= FEW * others:
        return None
    rows = len(predicted)
    which = f"{rows - different:,} of {rows:,}" if different else f"all {rows:,}"
    return (
        f"{which} validation rows are predicted as {labels[label]!r}, although {others:,} have"
        " another label: the model has collapsed to one label; train again with"
        f" {remedies(settings)}"
    )


def remedies(settings: TrainSettings) -> str:
    """The changes of a run's settings that most often prevent a collapse."""
    length = "num_train_epochs" if settings.max_steps is None else "max_steps"
    changes = [
        f"a lower `learning_rate` than {settings.peak_rate:g}",
        f"more `{length}` than {getattr(settings, length):,}",
    ]
    if settings.class_weights is None:
        changes.append("`class_weights=balanced`")
    return f"{', '.join(changes[:-1])} or {changes[-1]}"
