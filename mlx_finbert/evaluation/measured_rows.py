"""Chooses the rows to measure: test rows, or all rows, without those that the model has seen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mlx_finbert.checkpoints.files import SEEN_TEXTS
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.sources import is_here
from mlx_finbert.data.subset import sample, unseen
from mlx_finbert.errors import InputError

Split = Literal["test", "validation", "train", "all"]


@dataclass(frozen=True)
class RowsWanted:
    """The rows that the user asks for."""

    data: str
    """The user's name for the data."""
    split: Split | None = None
    """None for the test rows of the model's training data or of data that marks its test rows, and
    for all rows of other data."""
    split_seed: int | None = None
    """None for the training run's value; likewise for the fractions."""
    test_fraction: float | None = None
    validation_fraction: float | None = None
    include_seen: bool = False
    """Whether to keep test rows that the model has seen."""
    most: int | None = None
    """Maximum number of rows to measure, a sample by hash."""
    data_name: str = "data"
    most_name: str = "max_eval_rows"
    """The caller's parameters for `data` and `most`, for messages."""
    split_name: str | None = "split"
    """None if the caller has no such parameter."""

    def how_to_split(self) -> dict[str, Any]:
        """The split settings that were given."""
        names = ("split_seed", "test_fraction", "validation_fraction")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass
class MeasuredRows:
    """Labelled texts to measure, and how they were chosen."""

    rows: LabelledTexts
    """Their notes say what was left out and what could not be checked."""
    heading: str
    """A line that says which rows of which data these are."""
    seen_left_out: int = 0
    """Number of rows left out because the model has seen their texts."""
    seen_checked: bool = False
    """Whether all texts that the model has seen are known."""
    split: Split = "all"
    """The part of the data that they are from."""


def load_rows(
    load_texts: Callable[[], LabelledTexts], wanted: RowsWanted, run: TrainingRun
) -> MeasuredRows:
    """Read the data and choose the rows to measure; see `measured_rows`.

    Args:
        load_texts: reads the data.
        wanted: the rows to measure.
        run: the model's training run.

    Raises:
        InputError: if the data cannot be read or the rows cannot be measured.
    """
    return measured_rows(read_texts(load_texts, wanted, run), wanted, run)


def read_texts(
    load_texts: Callable[[], LabelledTexts], wanted: RowsWanted, run: TrainingRun
) -> LabelledTexts:
    """Read the data; if it is the run's and has moved, the error says so."""
    try:
        return load_texts()
    except InputError as error:
        if not run.was_on(wanted.data) or is_here(wanted.data):
            raise
        raise InputError(
            f"{error} ({run.model} was trained on {wanted.data}; if that has moved, give its new"
            f" place and its columns, or other data, with `{wanted.data_name}`)"
        ) from None


def measured_rows(texts: LabelledTexts, wanted: RowsWanted, run: TrainingRun) -> MeasuredRows:
    """Choose the rows to measure; from test rows and all rows, leave out those the model has seen.

    Args:
        texts: N texts, with their own splits if they have any.
        wanted: the rows to measure.
        run: the model's training run.

    Raises:
        InputError: if there are no such rows, or they cannot be told from training rows.
    """
    is_own = run.was_on(wanted.data) and run.may_have_seen(texts.texts)
    split = wanted.split or ("test" if is_own or "test" in (texts.splits or ()) else "all")
    drawn = is_drawn(texts, split)
    if is_own and run.seen is None and not wanted.include_seen:
        require_marked_test_rows(texts, split, drawn, run)
    how = run.split_settings(is_own, wanted.how_to_split())
    whole = texts if split == "all" else how.draw(texts).part(split)
    if whole is None:
        or_split = f", or choose `{wanted.split_name}=validation`" if wanted.split_name else ""
        raise InputError(
            f"{texts.name} has no labelled test rows: give other data with"
            f" `{wanted.data_name}`{or_split}"
        )
    name = f"{whole.name}, {how.drawn_by}" if drawn else whole.name
    whole = replace(whole, name=name)
    notes = [*texts.notes, *(split_notes(wanted, split, is_own, run) if drawn else ())]
    kept = np.arange(len(whole))
    if split in ("train", "validation"):
        notes += seen_notes(whole, split, run)
    elif run.seen:
        kept, more = unseen(whole, run.seen, wanted.include_seen, run.model)
        notes += more
    if not len(kept):
        raise InputError(
            f"{notes[-1]}, and no other rows are left to measure; give other data with"
            f" `{wanted.data_name}`"
        )
    rows = whole.take(kept, name)
    chosen, more = sample(rows, wanted.most, how.split_seed, wanted.most_name)
    notes += more + unchecked_notes(run)
    rows = replace(rows.take(chosen, name), notes=notes)
    return MeasuredRows(
        rows,
        heading(rows, len(whole), split, wanted.data, is_own, run),
        len(whole) - len(kept),
        not unchecked_notes(run),
        split,
    )


def is_drawn(texts: LabelledTexts, split: Split) -> bool:
    """Whether a part is drawn by hash rather than marked in the data."""
    if split == "test":
        return not texts.has_own_splits
    return split != "all" and "validation" not in (texts.splits or ())


def require_marked_test_rows(
    texts: LabelledTexts, split: Split, drawn: bool, run: TrainingRun
) -> None:
    """Refuse rows of a run's own data that may include unrecognisable training rows.

    Runs of earlier versions recorded no texts, and drew their test rows in another way.
    """
    if split == "all" or (split == "test" and drawn):
        rows = "all rows" if split == "all" else "test rows drawn now"
        raise InputError(
            f"{run.model} is from an earlier version: it has no {SEEN_TEXTS}, the record of its"
            f" training texts, and {rows} of {texts.name} would include training rows; measure a"
            " file that it was not trained on, mark the test rows in a column (`split_column`),"
            " train again, or add `include_seen=True`"
        )


def split_notes(wanted: RowsWanted, split: Split, is_own: bool, run: TrainingRun) -> Iterator[str]:
    """Sentences on a drawn split that differs from the training run's."""
    if run.settings is None:
        return
    if not is_own:
        now = " as it is now" if run.was_on(wanted.data) else ""
        yield (
            f"{run.model} was not trained on {wanted.data}{now}: its {split} rows were drawn now;"
            " `split=all` measures all rows"
        )
        return
    for name, value in wanted.how_to_split().items():
        if name == "test_fraction" and run.settings.fold:
            yield f"`test_fraction` has no effect: {run.model} is one fold of a cross-validation"
        elif name == "split_seed" and run.settings.split_by_column:
            yield (
                f"`split_seed` does not choose the test rows: the training run split its rows by"
                f" column {run.settings.split_by_column}"
            )
        elif value != (own := getattr(run.settings, name)):
            yield (
                f"`{name}` is {value}, but was {own} in the training run, which had other test rows"
            )


def seen_notes(rows: LabelledTexts, split: Split, run: TrainingRun) -> list[str]:
    """A sentence on training or validation rows that the user asked for."""
    count = np.count_nonzero(run.seen.holds(rows.texts)) if run.seen else 0
    if not count:
        return []
    return [
        f"these are {split} rows: {run.model} was trained on or chosen by the texts of {count:,} of"
        f" {len(rows):,} rows, so the figures do not test it"
    ]


def unchecked_notes(run: TrainingRun) -> list[str]:
    """A sentence for models whose seen texts are not all known."""
    if run.seen is None:
        return [
            f"it could not be checked whether {run.model} was trained on these rows: it has no"
            f" {SEEN_TEXTS}"
        ]
    if not run.seen.is_complete:
        return [
            f"it could not be checked whether the model that {run.model} was fine-tuned from was"
            f" trained on these rows: it had no {SEEN_TEXTS}"
        ]
    return []


def heading(
    rows: LabelledTexts, of: int, split: Split, data: str, is_own: bool, run: TrainingRun
) -> str:
    """Describe the rows: `new.csv: all 1,000 rows; runs/a was trained on news.csv`.

    Args:
        rows: the measured rows.
        of: number of rows before any was left out.
        split: the split that they are from.
        data: the user's name for the data.
        is_own: whether the run was trained on this data.
        run: the model's training run.
    """
    count = f"{len(rows):,} of {of:,}" if len(rows) < of else f"{of:,}"
    count = f"all {count}" if split == "all" and len(rows) == of else count
    line = f"{rows.name}: {count} rows"
    if run.settings is None or is_own:
        return line
    before = " when it had other texts" if run.was_on(data) else ""
    return f"{line}; {run.model} was trained on {run.settings.data}{before}"
