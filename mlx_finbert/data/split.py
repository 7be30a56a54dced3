"""The split into training, validation and test rows, by a hash of each text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from mlx_finbert.data.split_notes import (
    duplicate_notes,
    label_notes,
    near_duplicate_notes,
    sizes,
)
from mlx_finbert.data.text_hashes import SeenTexts, chances
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.data.whole_groups import WholeGroups, equal_texts, whole_groups
from mlx_finbert.errors import InputError

NearDuplicates = Literal["together", "apart"]
"""Whether near duplicates are drawn as a group, or each text by itself."""

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
"""The share of the rows that are not test rows."""

SPARED = {"test": 2, "validation": 1}
"""The texts of each label that a part leaves to those drawn after it and to the training rows."""


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
    near_duplicates: NearDuplicates = "together",
) -> Splits:
    """Draw test and validation rows by a hash of each text.

    A text's part depends only on the text and the seed. It stays in its part when other rows are
    added, removed, relabelled or sorted, and a larger test fraction keeps the test rows of a
    smaller one. Texts that fold alike (see `fold`) are in the same part. In exchange, sizes and
    label shares vary by chance; the notes give the largest difference. There are two exceptions:
    the hash of one text decides for all its near duplicates (see `whole_groups`); and a label with
    three or more texts gets rows in every part, and every label gets training rows. For this, the
    texts of a rare label that are nearest to the limit are moved (see `draw`).

    A source's own splits are kept; if it has no validation rows, they are drawn from its training
    rows, each text by itself. The rows of each part are in the order of the source.

    Args:
        data: N texts.
        split_seed: The seed of the draws.
        test_fraction: The share of all rows.
        validation_fraction: The share of the rows that are not test rows.
        near_duplicates: `together` keeps near duplicates in one part; `apart` draws each text by
            itself, as earlier versions did.

    Raises:
        InputError: If no training row or no validation row is left.
    """
    own, fractions = set(data.splits or ["train"]), {}
    if own == {"train"}:
        fractions["test"] = test_fraction
    if "validation" not in own:
        fractions["validation"] = validation_fraction
    alike = equal_texts(data.texts)
    side = drawn_sides(data, alike, fractions, split_seed)
    of_groups = []
    if near_duplicates == "together" and "test" in fractions and len(data):
        apart, groups = side, whole_groups(data.texts, data.label_ids, split_seed)
        side = drawn_sides(data, groups, fractions, split_seed)
        of_groups = near_duplicate_notes(alike, groups, int(np.sum(side != apart)))
    parts = {name: np.flatnonzero(side == name) for name in SPLIT_SPELLINGS}
    require_rows(data, parts, data.name, validation_fraction)
    notes = [*data.notes, sizes(data, parts), *of_groups, *label_notes(data, parts, [*fractions])]
    return take_parts(data, parts, data.name, notes + duplicate_notes(data, alike.numbers, side))


def drawn_sides(
    data: LabelledTexts, groups: WholeGroups, fractions: Mapping[str, float], seed: int
) -> np.ndarray:
    """Draw the named parts, each from the training rows that are left; see `draw`.

    Args:
        data: N texts.
        groups: The groups of rows that stay together.
        fractions: The share of the rows to draw, by the name of the part, test rows first.
        seed: The seed of the draws.

    Returns:
        object (N,), the part of each row.
    """
    side = np.array(data.splits or ["train"] * len(data), dtype=object)
    for name, fraction in fractions.items():
        odds = groups.odds(chances(data.texts, name, seed))
        draw(side, name, odds, fraction, data.label_ids, groups.numbers, SPARED[name])
    return side


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
