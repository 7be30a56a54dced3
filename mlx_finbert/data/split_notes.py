"""Sentences about a split: sizes, label shares, duplicates and near duplicates."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.data.whole_groups import MOST, WholeGroups


def rows_by_group(groups: np.ndarray, rows: Iterable[int]) -> list[list[int]]:
    """Return the rows of each group, in the order of the groups' first rows."""
    members = defaultdict(list)
    for row in rows:
        members[groups[row]].append(row)
    return list(members.values())


def sizes(data: LabelledTexts, parts: dict[str, np.ndarray]) -> str:
    """Return a sentence about rows, labels and parts."""
    shares = ", ".join(
        f"{name} {count:,}"
        for name, count in zip(
            data.label_names,
            np.bincount(data.label_ids, minlength=len(data.label_names)),
            strict=True,
        )
    )
    return f"{data.name}: {len(data):,} rows ({shares}); {part_sizes(parts)}"


def part_sizes(parts: dict[str, np.ndarray]) -> str:
    """List the sizes of the parts: `3,488 train, 388 validation, 970 test`."""
    return ", ".join(f"{len(rows):,} {name}" for name, rows in parts.items() if len(rows))


def label_notes(
    data: LabelledTexts, parts: dict[str, np.ndarray], drawn: Sequence[str]
) -> list[str]:
    """Return sentences about labels without training rows and label shares in the drawn parts."""
    counts = {
        name: np.bincount(data.label_ids[rows], minlength=len(data.label_names))
        for name, rows in parts.items()
        if len(rows)
    }
    lacking = [
        data.label_names[i]
        for i in np.flatnonzero((counts["train"] == 0) & (np.sum([*counts.values()], axis=0) > 0))
    ]
    notes = [f"no training row is labelled {' or '.join(lacking)}"] if lacking else []
    drawn = [name for name in drawn if name in counts]
    if drawn:
        pool = np.sum([counts[name] for name in ("train", *drawn)], axis=0)
        whole = pool / pool.sum()
        gaps = {name: np.abs(counts[name] / counts[name].sum() - whole).max() for name in drawn}
        name = max(gaps, key=gaps.__getitem__)
        share = counts[name] / counts[name].sum()
        label = np.abs(share - whole).argmax()
        notes.append(
            f"{' and '.join(drawn)} rows are drawn by a hash of each text, so label shares differ"
            f" by chance: at most {data.label_names[label]}, {share[label]:.1%} of the {name} rows"
            f" and {whole[label]:.1%} of all"
        )
    return notes


def duplicate_notes(data: LabelledTexts, groups: np.ndarray, side: np.ndarray) -> list[str]:
    """Return sentences about duplicates, with the row numbers of the first few conflicts."""
    alike = repeated_texts(data, groups)
    crossing = [rows for rows in alike if len(set(side[rows])) > 1]
    notes = []
    if crossing:
        notes.append(
            f"{len(alike):,} texts occur more than once, {len(crossing):,} of them in several of"
            " the source's own splits"
        )
    elif alike:
        notes.append(f"{len(alike):,} texts occur more than once, each in one part of the split")
    return notes + conflict_notes(data, alike)


def repeated_texts(data: LabelledTexts, groups: np.ndarray) -> list[list[int]]:
    """Return the rows of each text that occurs more than once."""
    return [rows for rows in rows_by_group(groups, range(len(data))) if len(rows) > 1]


def conflict_notes(data: LabelledTexts, alike: list[list[int]]) -> list[str]:
    """Return a sentence about repeated texts with several labels, with the first few rows."""
    conflicting = [rows for rows in alike if len(set(data.label_ids[rows])) > 1]
    if not conflicting:
        return []
    of_file = row_names(data)
    rows = "; ".join(", ".join(of_file[r] for r in rows) for rows in conflicting[:5])
    return [
        f"{len(conflicting):,} texts have conflicting labels (rows {rows}): correct or remove them"
    ]


def row_names(data: LabelledTexts) -> list[str]:
    """Return each row's number in its file, with its split if a number occurs in several files."""
    numbers = list(map(str, data.numbers))
    if data.splits is None or len(set(numbers)) == len(numbers):
        return numbers
    return [f"{split} {number}" for split, number in zip(data.splits, numbers, strict=True)]


def near_duplicate_notes(alike: WholeGroups, groups: WholeGroups, moved: int) -> list[str]:
    """Return sentences about near duplicates that are kept together, and about those that are not.

    Args:
        alike: The groups of equal texts.
        groups: The groups of near duplicates that are drawn as one.
        moved: The number of rows in another part than if each text were drawn by itself.
    """
    notes = []
    if moved:
        texts = np.bincount(groups.numbers[alike.speakers])
        rows = np.count_nonzero(texts[groups.numbers] > 1)
        notes.append(
            f"{rows:,} rows have near duplicates, in {np.count_nonzero(texts > 1):,} groups; each"
            f" group is in one part of the split, which moved {moved:,} rows"
            " (`split_near_duplicates=apart` draws each text by itself)"
        )
    if groups.apart:
        notes.append(
            f"{groups.apart:,} rows are in groups of near duplicates too large for one part (over"
            f" {MOST:.0%} of the texts, or most of a label), so each text is drawn by itself: test"
            " rows have near duplicates among the training rows, and the figures may be too good"
        )
    return notes
