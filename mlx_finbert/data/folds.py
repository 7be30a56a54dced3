"""Cross-validation folds: every row is a test row once, and near duplicates stay together."""

import numpy as np

from mlx_finbert.data.near_duplicates import near_duplicates
from mlx_finbert.data.split import (
    VALIDATION_FRACTION,
    Splits,
    draw,
    require_rows,
    take_parts,
)
from mlx_finbert.data.split_notes import part_sizes, rows_by_group
from mlx_finbert.data.text_hashes import chances, group_alike
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.errors import InputError


def make_folds(
    data: LabelledTexts,
    folds: int = 10,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
) -> list[Splits]:
    """Make stratified folds of whole groups of near duplicates.

    A repeated text is used once, or not at all if its labels differ: used twice it would have
    double weight, and with two labels no prediction could be right. The notes say how many rows
    this leaves out.

    The folds do not depend on the order of the rows. They do depend on all rows, because they are
    balanced by label: if rows are added, removed or relabelled, many others may move to another
    fold. (`make_splits`, in contrast, looks at each text alone.) Validation rows are drawn by a
    hash, so their number and label shares vary by chance.

    Args:
        data: N texts without their own splits.
        folds: K, at least 2.
        seed: The seed of the folds and of the validation rows.
        validation_fraction: The share of the rows that are not test rows.

    Returns:
        K splits. The first note of each is specific to it; the others are the same for all.

    Raises:
        InputError: If the data cannot be split into these folds.
    """
    require_unsplit(data)
    rows, notes = one_of_each(data)
    texts = [data.texts[row] for row in rows]
    label_ids, groups = data.label_ids[rows], near_duplicates(texts)
    require_enough(data, label_ids, groups, folds)
    notes = [*data.notes, *notes, sizes_of_groups(groups)]
    odds = chances(texts, "fold", seed)
    speakers = lowest_of_each(groups, odds)
    fold_of_row = deal(label_ids, groups, folds, odds[speakers])
    spoken = [texts[row] for row in speakers]

    def take(fold: int) -> Splits:
        side = np.where(fold_of_row == fold, "test", "train").astype(object)
        odds = chances(spoken, f"validation of fold {fold + 1}", seed)[groups]
        draw(side, "validation", odds, validation_fraction, label_ids, groups, spared=1)
        parts = {part: rows[side == part] for part in SPLIT_SPELLINGS}
        name = f"{data.name}, fold {fold + 1} of {folds}"
        require_rows(data, parts, name, validation_fraction)
        return take_parts(data, parts, name, [f"{name}: {part_sizes(parts)}", *notes])

    return [take(fold) for fold in range(folds)]


def lowest_of_each(groups: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Find the row with the lowest random number in each group; it represents the group.

    Args:
        groups: int64 (N,), from 0 without gaps.
        odds: float64 (N,), a random number for each row.

    Returns:
        int64 (num_groups,).
    """
    by_group = np.lexsort((odds, groups))
    return by_group[np.unique(groups[by_group], return_index=True)[1]]


def deal(label_ids: np.ndarray, groups: np.ndarray, folds: int, order: np.ndarray) -> np.ndarray:
    """Assign each row to a fold.

    Groups are dealt largest first, each to the fold with the fewest rows of its labels. Single rows
    come last, label by label, and even out the folds: label counts and sizes differ by at most one
    row if the groups allow it.

    Args:
        label_ids: int (N,).
        groups: int64 (N,), from 0 without gaps.
        folds: K.
        order: float64 (num_groups,); groups of the same size and label are dealt in this order.

    Returns:
        int64 (N,), from 0 to K - 1.
    """
    counts = np.zeros((groups.max() + 1, label_ids.max() + 1), np.int64)
    np.add.at(counts, (groups, label_ids), 1)
    rarity = 1 / np.maximum(counts.sum(axis=0), 1)
    held = np.zeros((folds, counts.shape[1]), np.int64)
    chosen = np.zeros(len(counts), np.int64)
    # The largest groups first, then by label, then by `order`.
    dealt = np.lexsort((order, counts.argmax(axis=1), -counts.sum(axis=1)))
    for group in dealt:
        crowded = held @ (counts[group] * rarity)
        # The size ignores rows of later labels, which are evened out when those are dealt.
        size = held[:, : counts[group].argmax() + 1].sum(axis=1)
        chosen[group] = np.lexsort((size, crowded))[0]
        held[chosen[group]] += counts[group]
    return chosen[groups]


def one_of_each(data: LabelledTexts) -> tuple[np.ndarray, list[str]]:
    """Return the rows (int64) to use, and a sentence about the others if there are any."""
    alike = rows_by_group(group_alike(data.texts), range(len(data)))
    clear = [rows for rows in alike if len(set(data.label_ids[rows])) == 1]
    repeats = sum(len(rows) - 1 for rows in clear)
    left_out = len(data) - len(clear)
    note = (
        f"{left_out:,} of {len(data):,} rows are not used: {repeats:,} repeat the text of another"
        f" row, {left_out - repeats:,} have a text with several labels"
    )
    return np.array([rows[0] for rows in clear], np.int64), [note] if left_out else []


def sizes_of_groups(groups: np.ndarray) -> str:
    """Return a sentence about the near duplicates."""
    sizes = np.bincount(groups)
    several = sizes[sizes > 1]
    if not len(several):
        return "no row has a near duplicate"
    return (
        f"{several.sum():,} rows have a near duplicate, in {len(several):,} groups of up to"
        f" {sizes.max():,} rows; each group is in one fold"
    )


def require_unsplit(data: LabelledTexts) -> None:
    """Refuse a source that has its own splits."""
    if data.has_own_splits:
        raise InputError(
            f"{data.name} has its own splits, which cross-validation would mix: remove `folds` (or"
            " `split_column`)"
        )


def require_enough(
    data: LabelledTexts, label_ids: np.ndarray, groups: np.ndarray, folds: int
) -> None:
    """Refuse more folds than there are groups of near duplicates, in total or with one label."""
    if folds < 2:
        raise InputError(f"`folds` is {folds}: at least 2")
    if (found := len(np.unique(groups))) < folds:
        raise InputError(
            f"{data.name} has {found} groups of near duplicates, too few for `folds={folds}`"
        )
    for label in np.unique(label_ids):
        of_label = groups[label_ids == label]
        if (found := len(np.unique(of_label))) < folds:
            raise InputError(
                f"{data.name}: {len(of_label)} usable rows are labelled"
                f" {data.label_names[label]!r}, in {found} groups of near duplicates, too few for"
                f" `folds={folds}`: add rows or ask for fewer folds"
            )
