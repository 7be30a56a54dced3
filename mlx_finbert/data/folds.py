"""Cross-validation: every row is a test row once, and near duplicates stay together."""

import numpy as np

from mlx_finbert.data.near_duplicates import near_duplicates
from mlx_finbert.data.split import (
    VALIDATION_FRACTION,
    Splits,
    draw,
    group_alike,
    part_sizes,
    rows_by_group,
    take_parts,
)
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.errors import InputError


def make_folds(
    data: LabelledTexts,
    folds: int = 10,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
) -> list[Splits]:
    """Stratified folds of whole groups of near duplicates.

    Of a text that stands more than once one row takes part, and none where its labels differ:
    counted twice it would weigh twice, and with two labels no answer to it is right. The notes say
    how many rows that leaves out. The same data and seed give the same rows.

    Args:
        data: N texts without splits of their own.
        folds: K, at least 2.
        seed: of the folds and of the validation rows.
        validation_fraction: of the rows that are not test rows, drawn by label.

    Returns:
        K splits. The first note of each is its own; the others are the same for all.

    Raises:
        InputError: where the data cannot be split so.
    """
    require_unsplit(data)
    rows, notes = one_of_each(data)
    labels, groups = data.labels[rows], near_duplicates([data.texts[row] for row in rows])
    require_enough(data, labels, groups, folds)
    notes.append(sizes_of_groups(groups))
    fold_of_row = deal(labels, groups, folds, np.random.default_rng(seed))

    def take(fold: int) -> Splits:
        side = np.where(fold_of_row == fold, "test", "train").astype(object)
        rng = np.random.default_rng((seed, fold))
        draw(side, "validation", validation_fraction, labels, groups, rng)
        parts = {part: rows[side == part] for part in SPLIT_SPELLINGS}
        name = f"{data.name}, fold {fold + 1} of {folds}"
        return take_parts(data, parts, name, [f"{name}: {part_sizes(parts)}", *notes])

    return [take(fold) for fold in range(folds)]


def deal(
    labels: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold of each row.

    Groups go, the largest first, to the fold that has least of their labels; single rows then level
    out what they can, one label after the other, so that labels and sizes differ by one row at most
    where the groups allow it.

    Args:
        labels: int (N,).
        groups: int64 (N,), from 0 without gaps.
        folds: K.
        rng: decides the order of groups of one size.

    Returns:
        int64 (N,), from 0 to K - 1.
    """
    counts = np.zeros((groups.max() + 1, labels.max() + 1), np.int64)
    np.add.at(counts, (groups, labels), 1)
    rarity = 1 / np.maximum(counts.sum(axis=0), 1)
    held = np.zeros((folds, counts.shape[1]), np.int64)
    chosen = np.zeros(len(counts), np.int64)
    for group in dealing_order(counts, rng):
        crowded = held @ (counts[group] * rarity)
        # Rows of the labels to come are left out of the size: they are levelled later.
        size = held[:, : counts[group].argmax() + 1].sum(axis=1)
        chosen[group] = np.lexsort((size, crowded))[0]
        held[chosen[group]] += counts[group]
    return chosen[groups]


def dealing_order(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Groups by size, the largest first, then by label, then by chance.

    Args:
        counts: int64 (num_groups, num_labels), rows of each label.
    """
    order = rng.permutation(len(counts))
    return order[np.lexsort((counts[order].argmax(axis=1), -counts[order].sum(axis=1)))]


def one_of_each(data: LabelledTexts) -> tuple[np.ndarray, list[str]]:
    """The rows (int64) to use, and a sentence on the others where there are any."""
    alike = rows_by_group(group_alike(data.texts), range(len(data)))
    clear = [rows for rows in alike if len(set(data.labels[rows])) == 1]
    repeats = sum(len(rows) - 1 for rows in clear)
    left_out = len(data) - len(clear)
    note = (
        f"{left_out:,} of {len(data):,} rows take no part: {repeats:,} repeat the text of another,"
        f" {left_out - repeats:,} have a text that stands there with several labels"
    )
    return np.array([rows[0] for rows in clear], np.int64), [note] if left_out else []


def sizes_of_groups(groups: np.ndarray) -> str:
    """A sentence on the near duplicates."""
    sizes = np.bincount(groups)
    several = sizes[sizes > 1]
    return (
        f"{several.sum():,} rows have a near duplicate, in {len(several):,} groups of up to"
        f" {sizes.max():,} rows; each group is in one fold"
    )


def require_unsplit(data: LabelledTexts) -> None:
    """Refuse a source that says itself which rows are test rows."""
    if data.splits and set(data.splits) != {"train"}:
        raise InputError(
            f"{data.name} brings its own splits, which cross-validation would mix: leave out"
            " --folds (or --split-column)"
        )


def require_enough(data: LabelledTexts, labels: np.ndarray, groups: np.ndarray, folds: int) -> None:
    """Refuse more folds than there are groups, of all rows or of a label."""
    if folds < 2:
        raise InputError(f"--folds is {folds}: at least 2")
    if (found := len(np.unique(groups))) < folds:
        raise InputError(
            f"{data.name} has {found} groups of near duplicates, too few for --folds {folds}"
        )
    for label in np.unique(labels):
        of_label = groups[labels == label]
        if (found := len(np.unique(of_label))) < folds:
            raise InputError(
                f"{data.name}: {len(of_label)} usable rows are labelled"
                f" {data.label_names[label]!r}, in {found} groups of near duplicates, too few for"
                f" --folds {folds}: add rows or ask for fewer folds"
            )
