"""Chooses the rows on which several models are compared: none that any of them has seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.subset import sample, unseen
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.measured_rows import (
    RowsWanted,
    measured_rows,
    read_texts,
    unchecked_notes,
)


@dataclass
class SharedRows:
    """Labelled texts to measure several models on, and how they were chosen."""

    rows: LabelledTexts
    """Their notes say what was left out and what could not be checked."""
    heading: str
    """A line that says which rows of which data these are."""
    seen_left_out: list[int]
    """For each model, the number of rows left out because it has seen their texts."""
    seen_checked: list[bool]
    """For each model, whether all texts that it has seen are known."""


def load_shared_rows(
    load_texts: Callable[[], LabelledTexts], wanted: RowsWanted, runs: Sequence[TrainingRun]
) -> SharedRows:
    """Read the data and choose the rows; see `shared_rows`.

    Raises:
        InputError: if the data cannot be read, or there are no such rows.
    """
    owner = next((run for run in runs if run.was_on(wanted.data)), runs[0])
    return shared_rows(read_texts(load_texts, wanted, owner), wanted, runs)


def shared_rows(
    texts: LabelledTexts, wanted: RowsWanted, runs: Sequence[TrainingRun]
) -> SharedRows:
    """Choose the rows that every model can be measured on.

    The models that were trained on this data choose as `measured_rows` does, and the rows that all
    of them choose are kept; if there is no such model, the first one chooses. From these rows,
    those that another model has seen are left out.

    Args:
        texts: N texts, with their own splits if they have any.
        wanted: the rows to measure.
        runs: the training run of each model.

    Raises:
        InputError: if there are no such rows, or they cannot be told from training rows.
    """
    # Positions in place of the numbers, by which the chosen rows are found again.
    numbered = replace(texts, numbers=np.arange(len(texts)))
    choosing = [i for i, run in enumerate(runs) if run.was_on(wanted.data)] or [0]
    chosen = {i: measured_rows(numbered, replace(wanted, most=None), runs[i]) for i in choosing}
    left_out = {i: found.seen_left_out for i, found in chosen.items()}
    notes = [note for found in chosen.values() for note in found.rows.notes]
    rows = in_all(texts, [found.rows for found in chosen.values()])
    for i, run in enumerate(runs):
        if i not in chosen:
            left = without_seen(rows, run, wanted.include_seen)
            left_out[i] = len(rows) - len(left)
            rows, notes = left, notes + left.notes
    require_rows(rows, runs)
    first, own = chosen[choosing[0]], runs[choosing[0]]
    seed = own.split_settings(own.was_on(wanted.data), wanted.how_to_split()).split_seed
    at, more = sample(rows, wanted.most, seed, wanted.most_name)
    rows = replace(rows.take(at, rows.name), notes=[*dict.fromkeys(notes + more)])
    return SharedRows(
        rows,
        heading(rows, len(first.rows) + first.seen_left_out),
        [left_out[i] for i in range(len(runs))],
        [not unchecked_notes(run) for run in runs],
    )


def in_all(texts: LabelledTexts, parts: Sequence[LabelledTexts]) -> LabelledTexts:
    """The rows that are in all parts, with positions as their numbers."""
    at = reduce(np.intersect1d, [part.numbers for part in parts])
    names = {part.name for part in parts}
    return texts.take(at, names.pop() if len(names) == 1 else texts.name)


def without_seen(rows: LabelledTexts, run: TrainingRun, include_seen: bool) -> LabelledTexts:
    """The rows that a model has not seen; their notes are on this model alone."""
    if run.seen is None:
        return replace(rows, notes=unchecked_notes(run))
    kept, notes = unseen(rows, run.seen, include_seen, run.model)
    return replace(rows.take(kept, rows.name), notes=notes + unchecked_notes(run))


def heading(rows: LabelledTexts, of: int) -> str:
    """Describe the rows: `news.csv (test): 130 of 142 rows`."""
    count = f"{len(rows):,} of {of:,}" if len(rows) < of else f"{of:,}"
    return f"{rows.name}: {count} rows"


def require_rows(rows: LabelledTexts, runs: Sequence[TrainingRun]) -> None:
    """Refuse data without a row that every model can be measured on."""
    if not len(rows):
        names = ", ".join(run.model for run in runs)
        raise InputError(
            f"{rows.name} has no row that all of {names} can be tested on: each is a training or"
            f" validation row of one of them; give other `data`, or measure all rows with `split`"
            " all and `include_seen`"
        )
