"""The split by a column: train on the past, test on the future."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from mlx_finbert.data.split import (
    TEST_FRACTION,
    VALIDATION_FRACTION,
    Splits,
    take_parts,
)
from mlx_finbert.data.split_notes import conflict_notes, label_notes, repeated_texts, sizes
from mlx_finbert.data.text_hashes import group_alike
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts, require_trainable
from mlx_finbert.data.times import Key, column_of, sort_keys
from mlx_finbert.errors import InputError


def split_by_column(
    data: LabelledTexts,
    column: str,
    test_fraction: float = TEST_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Splits:
    """Sort the rows by a column; the last are test rows, those before them validation rows.

    Rows with the same value are in the same part, so the sizes are those nearest to the fractions
    that the values allow, with one value in each part at least. A validation row whose text is
    also in a training row is left out; `usable` leaves out such test rows. Nothing is drawn, so no
    seed has an effect. Where rows are added, others may move to another part.

    Args:
        data: N texts without their own splits.
        column: The column, of dates, times or numbers.
        test_fraction: The share of all rows.
        validation_fraction: The share of the rows that are not test rows.

    Raises:
        InputError: If a value cannot be used, or the rows cannot be split in this way.
    """
    if data.has_own_splits:
        raise InputError(
            f"{data.name} has its own splits, which `split_by_column` would mix: leave it out"
        )
    values = column_of(data, column)
    keys = sort_keys(data, column, values)
    order = np.array(sorted(range(len(data)), key=keys.__getitem__), np.int64)
    ends = ends_of_values([keys[row] for row in order])
    require_values(data, column, len(ends))
    before_test = nearest(ends[1:-1], len(data) * (1 - test_fraction))
    earlier = ends[: int(np.flatnonzero(ends == before_test)[0])]
    before_validation = nearest(earlier, before_test * (1 - validation_fraction))
    side = np.full(len(data), "train", dtype=object)
    side[order[before_validation:before_test]] = "validation"
    side[order[before_test:]] = "test"
    require_trainable(replace(data, splits=side.tolist()))
    groups = group_alike(data.texts)
    repeats = (side == "validation") & np.isin(groups, groups[side == "train"])
    require_validation(data, repeats, side)
    side[repeats] = "repeat"
    parts = {name: np.flatnonzero(side == name) for name in SPLIT_SPELLINGS}
    notes = [
        *data.notes,
        sizes(data, parts),
        f"sorted by {column}: validation rows begin at {values[order[before_validation]]},"
        f" test rows at {values[order[before_test]]}",
        *repeat_notes(int(repeats.sum())),
        *label_notes(data, parts, []),
        *conflict_notes(data, repeated_texts(data, groups)),
    ]
    return take_parts(data, parts, data.name, notes)


def ends_of_values(ascending: Sequence[Key]) -> np.ndarray:
    """Return the number of rows up to the end of each different value: int64, ascending."""
    return np.cumsum([len(list(rows)) for _, rows in groupby(ascending)])


def nearest(ends: np.ndarray, wanted: float) -> int:
    """Return the number of rows, one of `ends`, that is nearest to the wanted one."""
    return int(ends[np.abs(ends - wanted).argmin()])


def require_values(data: LabelledTexts, column: str, values: int) -> None:
    """Refuse a column with too few different values for three parts."""
    if values < 3:
        raise InputError(
            f"{data.name}, column {column!r} has {values} different value{'s' * (values > 1)}:"
            " training, validation and test rows need one each; choose another `split_by_column`"
        )


def require_validation(data: LabelledTexts, repeats: np.ndarray, side: np.ndarray) -> None:
    """Refuse validation rows of which each repeats the text of a training row."""
    if repeats.sum() == np.count_nonzero(side == "validation"):
        raise InputError(
            f"{data.name}: all {repeats.sum():,} validation rows repeat the text of a training row:"
            " raise `validation_fraction`"
        )


def repeat_notes(count: int) -> list[str]:
    """Return a sentence about the validation rows that were left out."""
    if not count:
        return []
    rows = "1 validation row is" if count == 1 else f"{count:,} validation rows are"
    return [f"{rows} not used, because a training row has the same text"]
