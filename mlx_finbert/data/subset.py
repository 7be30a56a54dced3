"""The rows of a part that are used: those that a model has not seen, and samples by hash."""

from dataclasses import replace

import numpy as np

from mlx_finbert.data.split import Splits
from mlx_finbert.data.text_hashes import SeenTexts, chances
from mlx_finbert.data.texts import LabelledTexts

Chosen = tuple[np.ndarray, list[str]]
"""int64 positions, ascending, and sentences about the rows that were left out."""


def sample(rows: LabelledTexts, most: int | None, seed: int, parameter: str) -> Chosen:
    """Choose the rows whose texts have the lowest hashes.

    A smaller sample is part of a larger one, and neither depends on the order of the rows.

    Args:
        rows: N texts.
        most: The number of rows to take; None takes all.
        seed: The seed of the split.
        parameter: The parameter that sets the limit, for the note.
    """
    if most is None or len(rows) <= most:
        return np.arange(len(rows)), []
    lowest = np.argsort(chances(rows.texts, "sample", seed), kind="stable")[:most]
    note = f"{rows.name}: {most:,} of {len(rows):,} rows are used, by `{parameter}`"
    return np.sort(lowest), [note]


def unseen(
    rows: LabelledTexts, seen: SeenTexts, include_seen: bool, model: str = "the model"
) -> Chosen:
    """Choose the rows whose texts a model did not see in training or validation.

    Args:
        rows: N texts.
        seen: The texts that the model has seen.
        include_seen: Keep the seen rows too, and say so in the note.
        model: The model's name in the note.
    """
    known = seen.holds(rows.texts)
    count = np.count_nonzero(known)
    if not count:
        return np.arange(len(rows)), []
    found = f"{rows.name}: {count:,} of {len(rows):,} rows"
    if include_seen:
        note = (
            f"{found} have texts that {model} saw in training or validation (`include_seen=True`)"
        )
        return np.arange(len(rows)), [note]
    note = (
        f"{found} were left out, because {model} saw their texts in training or validation;"
        " `include_seen=True` includes them"
    )
    return np.flatnonzero(~known), [note]


def usable(
    splits: Splits,
    base: SeenTexts | None,
    include_seen: bool,
    max_train_rows: int | None,
    max_eval_rows: int | None,
    seed: int,
) -> Splits:
    """Select the rows that a run uses: samples if limits are given, and only unseen test rows.

    Args:
        splits: The parts as drawn.
        base: The texts seen by the model that the run starts from.
        include_seen: Keep test rows whose texts have been seen.
        max_train_rows: The limit of the training part.
        max_eval_rows: The limit of the validation part, and of the test part.
        seed: The seed of the split.
    """
    at, notes = sample(splits.train, max_train_rows, seed, "max_train_rows")
    train = splits.train.take(at, splits.train.name)
    if lost := sorted({*splits.train.label_ids} - {*train.label_ids}):
        names = " or ".join(train.label_names[i] for i in lost)
        notes.append(f"no training row of the sample is labelled {names}: raise `max_train_rows`")
    at, more = sample(splits.validation, max_eval_rows, seed, "max_eval_rows")
    validation = splits.validation.take(at, splits.validation.name)
    seen = SeenTexts.of(train, validation).after(base)
    notes = [*splits.notes, *notes, *more]
    test, test_rows = splits.test, splits.test_rows
    if test:
        at, left_out = unseen(test, seen, include_seen)
        test, test_rows = test.take(at, test.name), test_rows[at]
        at, more = sample(test, max_eval_rows, seed, "max_eval_rows")
        test, test_rows = test.take(at, test.name), test_rows[at]
        notes += left_out + more
    return replace(
        splits,
        train=train,
        validation=validation,
        test=test or None,
        test_rows=test_rows,
        notes=notes,
        seen=seen,
    )
