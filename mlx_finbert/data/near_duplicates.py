"""Exact and fast search for groups of nearly identical texts.

Reports repeat sentences with other figures ("net sales rose by 5 % to EUR 12 mn"). If a near
duplicate of a test row is a training row, the test measures memory. So whole groups go to one side
of a split.
"""

import re
import unicodedata
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from mlx_finbert.data.text_hashes import fold

Key = TypeVar("Key", bound=Hashable)

WORD = re.compile(r"[^\W\d_]+|\d+")
"""A run of letters or a run of digits."""


def near_duplicates(texts: Sequence[str]) -> np.ndarray:
    """Group near duplicates.

    Two texts are near duplicates if they fold alike (case, white space), if they have the same
    `masked` key, or if their sets of words overlap by 0.8 or more (see `similar`). Texts that are
    near duplicates of the same text are in the same group.

    Args:
        texts: N strings.

    Returns:
        int64 (N,), the group number of each row; the first row's group is 0.
    """
    groups = Groups(len(texts))
    words = [word_set(text) for text in texts]
    groups.unite_equal(fold(text) for text in texts)
    groups.unite_equal(masked(text) or None for text in texts)
    rows = groups.unite_equal(found or None for found in words)
    distinct = list(rows)
    for a, b in candidate_pairs(distinct):
        one, other = rows[distinct[a]], rows[distinct[b]]
        if groups.root(one) != groups.root(other) and similar(distinct[a], distinct[b]):
            groups.unite(one, other)
    return groups.numbers()


def masked(text: str) -> str:
    """Replace every number with 0, and every run of non-alphanumeric characters with a space."""
    return re.sub(r"[\W_]+", " ", re.sub(r"\d+", "0", _normal(text))).strip()


def word_set(text: str) -> frozenset[str]:
    """Return the distinct words and numbers of a text."""
    return frozenset(WORD.findall(_normal(text)))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def similar(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether the Jaccard index is 0.8 or more: s / (|a| + |b| - s) for s shared words."""
    # Integers keep the comparison exact at 0.8 itself.
    return 9 * len(a & b) >= 4 * (len(a) + len(b))


def candidate_pairs(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions that include all pairs of `similar` sets and few others.

    The words of each set are sorted, rarest first. Two similar sets share a word in the first fifth
    of each (prefix filter: Bayardo, Ma and Srikant 2007, section 4), the smaller set has at least
    0.8 times the words of the larger, and enough words follow the first shared one (positional
    filter: Xiao et al. 2008, section 3).

    Args:
        sets: Sets of words, none of them empty.
    """
    ranked = rarest_first(sets)
    sizes = [len(ranks) for ranks in ranked]
    holders: dict[int, deque[tuple[int, int]]] = defaultdict(deque)
    for row in sorted(range(len(sets)), key=sizes.__getitem__):
        size, found = sizes[row], set()
        for place, rank in enumerate(ranked[row][: size // 5 + 1]):
            smaller = holders[rank]
            # Sets come in order of size, so a set too small for this one is too small for the rest.
            while smaller and 5 * sizes[smaller[0][0]] < 4 * size:
                smaller.popleft()
            for other, other_place in smaller:
                left = min(size - place, sizes[other] - other_place)
                if 9 * left >= 4 * (size + sizes[other]):
                    found.add(other)
            smaller.append((row, place))
        yield from ((row, other) for other in found)


def rarest_first(sets: Sequence[frozenset[str]]) -> list[list[int]]:
    """Return each set as the sorted ranks of its words; rank 0 is the rarest word."""
    counts: dict[str, int] = defaultdict(int)
    for words in sets:
        for word in words:
            counts[word] += 1
    ranks = {word: rank for rank, word in enumerate(sorted(counts, key=lambda w: (counts[w], w)))}
    return [sorted(map(ranks.__getitem__, words)) for words in sets]


class Groups:
    """Groups of rows that can be merged (union-find)."""

    def __init__(self, rows: int) -> None:
        self.parents = list(range(rows))

    def root(self, row: int) -> int:
        """Return the first row of the group, which identifies it."""
        while self.parents[row] != row:
            self.parents[row] = self.parents[self.parents[row]]
            row = self.parents[row]
        return row

    def unite(self, a: int, b: int) -> None:
        """Merge two groups; the first row of both identifies the result."""
        first, second = sorted((self.root(a), self.root(b)))
        self.parents[second] = first

    def unite_equal(self, keys: Iterable[Key | None]) -> dict[Key, int]:
        """Merge rows with equal keys, except None; return the first row of each key."""
        first: dict[Key, int] = {}
        for row, key in enumerate(keys):
            if key is not None:
                self.unite(first.setdefault(key, row), row)
        return first

    def numbers(self) -> np.ndarray:
        """Number the groups in the order of their first rows: int64 (N,), each row's group."""
        roots = [self.root(row) for row in range(len(self.parents))]
        return np.unique(np.array(roots, dtype=np.int64), return_inverse=True)[1]
