"""Training, validation and test rows: each text's side follows from a hash of the text."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlx_finbert.data.seen_texts import SeenTexts
from mlx_finbert.data.text_hashes import chances, group_alike
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.errors import InputError

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
"""Of the rows that are not test rows."""


@dataclass
class Splits:
    """The three parts; `test` is None where there are no test rows."""

    train: LabelledTexts
    validation: LabelledTexts
    test: LabelledTexts | None
    notes: list[str]
    """Sentences on sizes, on rows left out, on duplicates and conflicting labels."""
    test_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64: the rows of the source, counted from 0, that are the test rows."""
    seen: SeenTexts = field(default_factory=lambda: SeenTexts(frozenset()))
    """By a model that is trained on these parts; nothing in parts that were only drawn."""

    def part(self, name: str) -> LabelledTexts | None:
        """`train`, `validation` or `test`, where there are such rows."""
        return getattr(self, name)


def make_splits(
    data: LabelledTexts,
    split_seed: int = 0,
    test_fraction: float = TEST_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Splits:
    """Draw test and validation rows by a hash of each text.

    A text's side depends on the text and the seed alone: it stays where it is when other rows are
    added, removed, relabelled or sorted, and a larger test fraction keeps the test rows of a
    smaller one. Texts that fold alike (see `fold`) are on one side. In exchange, sizes and label
    shares vary by chance; the notes give the largest difference. One exception: so that a label
    with three texts or more has rows in every part, and every label training rows, the texts of a
    rare label that are nearest to the limit are moved (see `draw`).

    A source's own splits are kept; validation rows are drawn from its training rows where it has
    none. Each part has its rows in the order of the source.

    Args:
        data: N texts.
        split_seed: of the draws.
        test_fraction: of all rows.
        validation_fraction: of the rows that are not test rows.

    Raises:
        InputError: where no training or no validation row is left.
    """
    groups = group_alike(data.texts)
    side = np.array(data.splits or ["train"] * len(data), dtype=object)
    own, drawn = set(side), []
    if own == {"train"}:
        odds = chances(data.texts, "test", split_seed)
        draw(side, "test", odds, test_fraction, data.labels, groups, spared=2)
        drawn.append("test")
    if "validation" not in own:
        odds = chances(data.texts, "validation", split_seed)
        draw(side, "validation", odds, validation_fraction, data.labels, groups, spared=1)
        drawn.append("validation")
    parts = {name: np.flatnonzero(side == name) for name in SPLIT_SPELLINGS}
    require_rows(data, parts, data.name, validation_fraction)
    notes = [*data.notes, sizes(data, parts), *label_notes(data, parts, drawn)]
    return take_parts(data, parts, data.name, notes + duplicate_notes(data, groups, side))


def draw(
    side: np.ndarray,
    name: str,
    odds: np.ndarray,
    fraction: float,
    labels: np.ndarray,
    groups: np.ndarray,
    spared: int,
) -> None:
    """Move the training rows whose chance is below the fraction to another side, in place.

    Of a label with more texts than are spared one at least moves, that with the lowest chance; of
    every label the spared number of texts stays, those with the highest. A text with several labels
    counts for the first of them.

    Args:
        side: object (N,), the part of each row.
        name: of the part to move to.
        odds: float64 (N,) in [0, 1), the same for all rows of a group.
        fraction: share to move.
        labels: int (N,).
        groups: int64 (N,), of the rows that stay together.
        spared: texts (groups) of a label that stay at least, where it has as many.
    """
    rows = np.flatnonzero(side == "train")
    found, first, of_row = np.unique(groups[rows], return_index=True, return_inverse=True)
    label_of = np.full(len(found), np.iinfo(np.int64).max)
    np.minimum.at(label_of, of_row, labels[rows])
    odds_of = odds[rows[first]]
    moved = np.zeros(len(found), bool)
    for label in np.unique(label_of):
        members = np.flatnonzero(label_of == label)
        members = members[np.argsort(odds_of[members], kind="stable")]
        most = max(0, len(members) - spared)
        wanted = np.count_nonzero(odds_of[members] < fraction)
        moved[members[: min(max(wanted, 1), most)]] = True
    side[rows[moved[of_row]]] = name


def require_rows(
    data: LabelledTexts, parts: dict[str, np.ndarray], name: str, validation_fraction: float
) -> None:
    """Refuse parts without a training or a validation row.

    Args:
        data: what was split.
        parts: int64 rows by the name of the part.
        name: what to call the whole of them.
        validation_fraction: by which validation rows were drawn.

    Raises:
        InputError: names what to do.
    """
    if not len(parts["train"]):
        raise InputError(f"{name} has no training row ({len(data):,} rows): add some")
    if not len(parts["validation"]):
        raise InputError(
            f"{name} has too few rows ({len(data):,}): no validation row is left, for"
            f" --validation-fraction {validation_fraction:g} draws them from labels with at least"
            " two different texts among the training rows; add rows, or mark validation rows of"
            " your own in a column (--split-column)"
        )


def take_parts(
    data: LabelledTexts, parts: dict[str, np.ndarray], name: str, notes: list[str]
) -> Splits:
    """The parts, by their rows.

    Args:
        data: N texts.
        parts: int64 rows of `train`, `validation` and `test`; the last may be empty.
        name: what to call the whole of them.
        notes: for the result.
    """
    train, validation, test = (data.take(parts[p], f"{name} ({p})") for p in SPLIT_SPELLINGS)
    return Splits(train, validation, test if len(test) else None, notes, parts["test"])


def rows_by_group(groups: np.ndarray, rows: Iterable[int]) -> list[list[int]]:
    """The rows of each group, those of the first row's group first."""
    members = defaultdict(list)
    for row in rows:
        members[groups[row]].append(row)
    return list(members.values())


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


def label_notes(
    data: LabelledTexts, parts: dict[str, np.ndarray], drawn: Sequence[str]
) -> list[str]:
    """Sentences on labels without training rows, and on label shares in the parts drawn by hash."""
    counts = {
        name: np.bincount(data.labels[rows], minlength=len(data.label_names))
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
    """Sentences on duplicates, with the row numbers, in their file, of the first few."""
    alike = [rows for rows in rows_by_group(groups, range(len(data))) if len(rows) > 1]
    conflicting = [rows for rows in alike if len(set(data.labels[rows])) > 1]
    crossing = [rows for rows in alike if len(set(side[rows])) > 1]
    notes = []
    if crossing:
        notes.append(
            f"{len(alike):,} texts occur more than once, {len(crossing):,} of them in several of"
            " its own splits"
        )
    elif alike:
        notes.append(f"{len(alike):,} texts occur more than once, each in one part of the split")
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
