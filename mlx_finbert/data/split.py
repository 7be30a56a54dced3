"""The split into training, validation and test rows, by a hash of each text."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlx_finbert.data.text_hashes import SeenTexts, chances, group_alike
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.errors import InputError

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
"""The share of the rows that are not test rows."""


@dataclass
class Splits:
    """The three parts of the data; `test` is None if there are no test rows."""

    train: LabelledTexts
    validation: LabelledTexts
    test: LabelledTexts | None
    notes: list[str]
    """Sentences about sizes, unused rows, duplicates and conflicting labels."""
    test_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64: the positions of the test rows in the source, from 0."""
    seen: SeenTexts = field(default_factory=lambda: SeenTexts(frozenset()))
    """The texts seen by a model trained on these parts; empty before `usable` is called."""
    unlabelled: list[str] = field(default_factory=list)
    """Training texts without a label, from which a student learns what its teacher says of them."""

    @property
    def learned(self) -> LabelledTexts:
        """The training rows, then the unlabelled texts, whose label is -1."""
        if not self.unlabelled:
            return self.train
        train, more = self.train, len(self.unlabelled)
        last = int(train.numbers.max(initial=0))
        return replace(
            train,
            texts=[*train.texts, *self.unlabelled],
            label_ids=np.append(train.label_ids, np.full(more, -1, np.int32)),
            splits=None,
            numbers=np.append(train.numbers, np.arange(last + 1, last + 1 + more)),
            others=None,
        )

    def part(self, name: str) -> LabelledTexts | None:
        """Return the part `train`, `validation` or `test`; None if it has no rows."""
        return getattr(self, name)


def make_splits(
    data: LabelledTexts,
    split_seed: int = 0,
    test_fraction: float = TEST_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Splits:
    """Draw test and validation rows by a hash of each text.

    A text's part depends only on the text and the seed. It stays in its part when other rows are
    added, removed, relabelled or sorted, and a larger test fraction keeps the test rows of a
    smaller one. Texts that fold alike (see `fold`) are in the same part. In exchange, sizes and
    label shares vary by chance; the notes give the largest difference. There is one exception: a
    label with three or more texts gets rows in every part, and every label gets training rows. For
    this, the texts of a rare label that are nearest to the limit are moved (see `draw`).

    A source's own splits are kept; if it has no validation rows, they are drawn from its training
    rows. The rows of each part are in the order of the source.

    Args:
        data: N texts.
        split_seed: The seed of the draws.
        test_fraction: The share of all rows.
        validation_fraction: The share of the rows that are not test rows.

    Raises:
        InputError: If no training row or no validation row is left.
    """
    groups = group_alike(data.texts)
    side = np.array(data.splits or ["train"] * len(data), dtype=object)
    own, drawn = set(side), []
    if own == {"train"}:
        odds = chances(data.texts, "test", split_seed)
        draw(side, "test", odds, test_fraction, data.label_ids, groups, spared=2)
        drawn.append("test")
    if "validation" not in own:
        odds = chances(data.texts, "validation", split_seed)
        draw(side, "validation", odds, validation_fraction, data.label_ids, groups, spared=1)
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
    label_ids: np.ndarray,
    groups: np.ndarray,
    spared: int,
) -> None:
    """Move training rows with random numbers below the fraction to another part, in place.

    Of every label, at least `spared` texts stay, those with the highest numbers. If a label has
    more texts than that, at least one moves, the one with the lowest number. A text with several
    labels counts for the first of them.

    Args:
        side: object (N,), the part of each row; changed in place.
        name: The part to move rows to.
        odds: float64 (N,) in [0, 1), the random number of each row, equal within a group.
        fraction: The share to move.
        label_ids: int (N,).
        groups: int64 (N,), the groups of rows that stay together.
        spared: The number of texts (groups) of each label that must stay.
    """
    rows = np.flatnonzero(side == "train")
    found, first, of_row = np.unique(groups[rows], return_index=True, return_inverse=True)
    label_of = np.full(len(found), np.iinfo(np.int64).max)
    np.minimum.at(label_of, of_row, label_ids[rows])
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
    """Refuse parts without a training row or a validation row.

    Args:
        data: The data that was split.
        parts: int64 rows by the name of the part.
        name: The name of the data in messages.
        validation_fraction: The fraction by which validation rows were drawn.

    Raises:
        InputError: If there is no such row; names the remedy.
    """
    if not len(parts["train"]):
        raise InputError(f"{name} has no training row ({len(data):,} rows): add some")
    if not len(parts["validation"]):
        raise InputError(
            f"{name} has too few rows ({len(data):,}): no validation row is left, because"
            f" `validation_fraction={validation_fraction:g}` draws them only from labels with at"
            " least two different texts among the training rows; add rows, or mark your own"
            " validation rows in a column (`split_column`)"
        )


def take_parts(
    data: LabelledTexts, parts: dict[str, np.ndarray], name: str, notes: list[str]
) -> Splits:
    """Make the parts from their rows.

    Args:
        data: N texts.
        parts: int64 rows of `train`, `validation` and `test`; the last may be empty.
        name: The name of the data in messages.
        notes: The notes of the result.
    """
    train, validation, test = (data.take(parts[p], f"{name} ({p})") for p in SPLIT_SPELLINGS)
    return Splits(train, validation, test if len(test) else None, notes, parts["test"])


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
