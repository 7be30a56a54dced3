"""Groups of near duplicates that a random split keeps in one part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.near_duplicates import near_duplicates
from mlx_finbert.data.text_hashes import chances, group_alike

MOST = 0.05
"""The largest share of the texts that one group may have; a larger one would decide the sizes of
the parts."""

FEW = 4
"""The number of texts that a group may have in any case."""

PARTS = 3


@dataclass(frozen=True)
class WholeGroups:
    """Groups of N rows, each of which goes to one part."""

    numbers: np.ndarray
    """int64 (N,), from 0 without gaps; rows whose texts fold alike have the same number."""
    speakers: np.ndarray
    """int64 (num_groups,), the row whose random number decides for its group."""
    apart: int = 0
    """The number of rows that have near duplicates but are in no group with them."""

    def odds(self, of_text: np.ndarray) -> np.ndarray:
        """Give all rows of a group the random number of its speaker.

        Args:
            of_text: float64 (N,), the random number of each text.
        """
        return of_text[self.speakers][self.numbers]


def equal_texts(texts: Sequence[str]) -> WholeGroups:
    """Group only the rows whose texts fold alike."""
    groups = group_alike(texts)
    return WholeGroups(groups, np.unique(groups, return_index=True)[1])


def whole_groups(texts: Sequence[str], label_ids: np.ndarray, seed: int) -> WholeGroups:
    """Group near duplicates, except where whole groups would leave no fair split.

    A group stays whole if it has at most `MOST` of the texts (or `FEW` texts), and if each of its
    labels has three groups, one for each part, or as many as it has texts. The rows of other groups
    are drawn text by text.

    The speaker of a group is the text with the lowest of random numbers that are drawn for this
    alone: the lowest of those that draw the parts would favour test rows.

    Args:
        texts: N strings.
        label_ids: int (N,).
        seed: The seed of the split.
    """
    alike, groups = group_alike(texts), near_duplicates(texts)
    numbers = _renumbered(alike, groups, _too_large(alike, groups))
    for _ in range(label_ids.max() + 1):
        lacking = _labels_without_groups(alike, numbers, label_ids)
        if not len(lacking):
            break
        numbers = _renumbered(alike, numbers, np.unique(numbers[np.isin(label_ids, lacking)]))
    by_group = np.lexsort((chances(texts, "near duplicates", seed), numbers))
    speakers = by_group[np.unique(numbers[by_group], return_index=True)[1]]
    apart = int(np.sum(_texts_in(alike, groups) > _texts_in(alike, numbers)))
    return WholeGroups(numbers, speakers, apart)


def _texts_in(alike: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Count the different texts in the group of each row: int64 (N,)."""
    first = np.unique(alike, return_index=True)[1]
    return np.bincount(groups[first], minlength=groups.max() + 1)[groups]


def _too_large(alike: np.ndarray, groups: np.ndarray) -> np.ndarray:
    most = max(FEW, MOST * (alike.max() + 1))
    return np.unique(groups[_texts_in(alike, groups) > most])


def _labels_without_groups(
    alike: np.ndarray, groups: np.ndarray, label_ids: np.ndarray
) -> np.ndarray:
    """Find the labels that have fewer groups than they could have, and fewer than parts.

    A text or a group with several labels counts for the first of them, as in `draw`.
    """
    texts, of_groups = (_labelled(numbers, label_ids) for numbers in (alike, groups))
    return np.flatnonzero(of_groups < np.minimum(texts, PARTS))


def _labelled(numbers: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
    """Count the groups of each label: int64 (num_labels,)."""
    label_of = np.full(numbers.max() + 1, label_ids.max() + 1)
    np.minimum.at(label_of, numbers, label_ids)
    return np.bincount(label_of, minlength=label_ids.max() + 1)


def _renumbered(alike: np.ndarray, groups: np.ndarray, divided: np.ndarray) -> np.ndarray:
    """Divide some of the groups into their texts; number the result from 0 without gaps."""
    numbers = np.where(np.isin(groups, divided), groups.max() + 1 + alike, groups)
    return np.unique(numbers, return_inverse=True)[1]
