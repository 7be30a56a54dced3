"""Training, validation and test rows: made once, stratified, and free of shared texts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.errors import InputError

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
"""Of the rows that are not test rows."""


@dataclass
class Splits:
    """The three parts; `test` is None for a source that has no test rows of its own."""

    train: LabelledTexts
    validation: LabelledTexts
    test: LabelledTexts | None
    notes: list[str]
    """What was found: sizes, duplicates, conflicting labels, texts that two splits share."""
    test_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64: the rows of the source, counted from 0, that are the test rows."""

    def part(self, name: str) -> LabelledTexts:
        """`train`, `validation` or `test`."""
        part = getattr(self, name)
        if part is None:
            raise InputError(f"{self.train.name} has no test rows: choose --split validation")
        return part


def make_splits(
    data: LabelledTexts,
    split_seed: int = 0,
    test_fraction: float = TEST_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Splits:
    """Split by label in equal parts; texts that fold alike stay on one side.

    A source's own splits are kept; validation rows are drawn from its training rows where it has
    none. The same data and seed give the same rows.

    Args:
        data: N texts.
        split_seed: of the one generator that draws the rows.
        test_fraction: of all rows.
        validation_fraction: of the rows that are not test rows.

    Raises:
        InputError: where a part would be empty.
    """
    groups = group_alike(data.texts)
    rng = np.random.default_rng(split_seed)
    side = np.array(data.splits or ["train"] * len(data), dtype=object)
    own = set(side)
    if own == {"train"}:
        draw(side, "test", test_fraction, data.labels, groups, rng)
    if "validation" not in own:
        draw(side, "validation", validation_fraction, data.labels, groups, rng)
    parts = {name: np.flatnonzero(side == name) for name in SPLIT_SPELLINGS}
    notes = [sizes(data, parts), *duplicate_notes(data, groups, side)]
    return take_parts(data, parts, data.name, notes)


def take_parts(
    data: LabelledTexts, parts: dict[str, np.ndarray], name: str, notes: list[str]
) -> Splits:
    """The parts, by their rows.

    Args:
        data: N texts.
        parts: int64 rows of `train`, `validation` and `test`, which may be empty.
        name: what to call the whole of them.
        notes: for the result.

    Raises:
        InputError: where there is no training or no validation row.
    """
    for part in ("train", "validation"):
        if not len(parts[part]):
            raise InputError(f"{name} has too few rows ({len(data)}): no {part} row is left")
    train, validation, test = (data.take(parts[p], f"{name} ({p})") for p in SPLIT_SPELLINGS)
    return Splits(train, validation, test if len(test) else None, notes, parts["test"])


def fold(text: str) -> str:
    """Texts that differ in case and white space alone are one text."""
    return " ".join(text.casefold().split())


def group_alike(texts: list[str]) -> np.ndarray:
    """int64 (N,): rows with the same folded text have the same number."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(fold(text), len(numbers)) for text in texts])


def rows_by_group(groups: np.ndarray, rows: Iterable[int]) -> list[list[int]]:
    """The rows of each group, those of the first row's group first."""
    members = defaultdict(list)
    for row in rows:
        members[groups[row]].append(row)
    return list(members.values())


def draw(
    side: np.ndarray,
    name: str,
    fraction: float,
    labels: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Move a fraction of each label's training rows, whole groups at a time, to another side."""
    by_label = defaultdict(list)
    for rows in rows_by_group(groups, np.flatnonzero(side == "train")):
        by_label[labels[rows[0]]].append(rows)
    for label in sorted(by_label):
        wanted = round(fraction * sum(len(rows) for rows in by_label[label]))
        for i in rng.permutation(len(by_label[label])):
            rows = by_label[label][i]
            if len(rows) <= wanted:
                side[rows] = name
                wanted -= len(rows)


def sizes(data: LabelledTexts, parts: dict[str, np.ndarray]) -> str:
    """A sentence on rows, labels and parts."""
    shares = ", ".join(
        f"{name} {count:,}"
        for name, count in zip(
            data.label_names, np.bincount(data.labels, minlength=len(data.label_names)), strict=True
        )
    )
    return f"{data.name}: {len(data):,} rows ({shares}); {part_sizes(parts)}"


def part_sizes(parts: dict[str, np.ndarray]) -> str:
    """`3,488 train, 388 validation, 970 test`."""
    return ", ".join(f"{len(rows):,} {name}" for name, rows in parts.items() if len(rows))


def duplicate_notes(data: LabelledTexts, groups: np.ndarray, side: np.ndarray) -> list[str]:
    """Sentences on duplicates, with the row numbers, in their file, of the first few."""
    alike = [rows for rows in rows_by_group(groups, range(len(data))) if len(rows) > 1]
    conflicting = [rows for rows in alike if len(set(data.labels[rows])) > 1]
    crossing = [rows for rows in alike if len(set(side[rows])) > 1]
    notes = []
    if alike:
        notes.append(f"{len(alike):,} texts stand more than once, each on one side of the split")
    if crossing:
        notes[-1] = f"{len(alike):,} texts stand more than once"
        notes.append(
            f"{len(crossing):,} of them stand on two sides of the splits that {data.name} brings:"
            " its test figures are too good by that much"
        )
    if conflicting:
        of_file = row_names(data)
        rows = "; ".join(", ".join(of_file[r] for r in rows) for rows in conflicting[:5])
        notes.append(
            f"{len(conflicting):,} texts have conflicting labels (rows {rows}):"
            " correct or drop them"
        )
    return notes


def row_names(data: LabelledTexts) -> list[str]:
    """Each row's number in its file; with its split where several files have such a row."""
    numbers = list(map(str, data.numbers))
    if data.splits is None or len(set(numbers)) == len(numbers):
        return numbers
    return [f"{split} {number}" for split, number in zip(data.splits, numbers, strict=True)]
