"""Which examples make a batch, and how a batch is laid out with little padding.

A batch is padded to its longest example, so random batches of sentences are half padding. The plain
remedy, batches of examples of like length, has a price: what is of like length is of like kind, and
such a batch is no sample of the data. Two ways leave the batches random: `packed` and `parts`. What
each costs, measured: docs/training.md.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

import numpy as np

Way = Literal["packed", "parts", "no", "windows", "jittered", "dealt", "at-first"]
"""`no`: random batches. `packed`: random batches, several short examples to a row. `parts`: random
batches, each computed in parts of like length whose gradients are added. `windows`: like lengths
together, as transformers' Trainer groups them: examples are sorted within windows of so many
batches. `jittered`: windows in which each length is multiplied by a random factor before that.
`dealt`: windows in which each label is spread evenly over the batches. `at-first`: windows, and
random batches in the last third of the epochs."""

RANDOM = ("packed", "parts", "no")
"""The ways whose batches are random samples."""

ATTENTION = 1500
"""In a row of so many tokens attention costs as much as all else: twice the head's width, more or
less, times the 12 products of a layer. An estimate, by which rows are packed more or less full."""

BATCHES_TRIED = 16
"""So many random batches tell how many rows cost least."""

NUMBERS_TRIED = 64
"""About so many numbers of rows are tried, as trying them all takes seconds for large batches."""

JITTER = 0.25
"""The factors of `jittered` lie within this of 1."""


@dataclass(frozen=True)
class Grouping:
    """How an epoch is cut into updates."""

    way: Way
    number_of_parts: int = 4
    """Of a batch, where the way is `parts`."""
    window: int = 50
    """Batches a window, for the other ways."""
    epochs: int = 1
    """Of the whole run."""

    @property
    def parts(self) -> int:
        """Into so many parts each batch is cut."""
        return self.number_of_parts if self.way == "parts" else 1

    @property
    def sampled_epochs(self) -> list[int]:
        """Epochs that stand for all: where the way is `at-first`, the last one is among them."""
        return [0, 1, self.epochs - 1 if self.way == "at-first" else 2]

    def rows_of(self, lengths: np.ndarray, batch_size: int, ranks: int) -> tuple[int, int]:
        """How many rows a batch takes, and how many examples a row holds at most.

        Where batches are packed, as many as cost least for lengths like these, two at least and by
        twos, which a CPU computes side by side; one example more than would do lets rows fill more
        evenly.

        Args:
            lengths: int (N,), tokens of each example.
            batch_size: examples a batch.
            ranks: divides both numbers of a batch.
        """
        if self.way != "packed":
            return batch_size, 1
        rng = np.random.default_rng(0)
        size = min(batch_size, len(lengths))
        batches = [rng.choice(lengths, size, replace=False) for _ in range(BATCHES_TRIED)]

        def cost(rows: int) -> float:
            longest = [fullest(batch, packed(batch, rows, places(rows))) for batch in batches]
            return sum(rows * tokens * (1 + tokens / ATTENTION) for tokens in longest)

        def places(rows: int) -> int:
            return 1 if rows == batch_size else -(-batch_size // rows) + 1

        step = 2 * ranks * max(1, batch_size // (2 * ranks * NUMBERS_TRIED))
        rows = min(range(batch_size, 1, -step), key=cost, default=1)
        return rows, places(rows)

    def updates(
        self,
        lengths: np.ndarray,
        labels: np.ndarray,
        size: int,
        rng: np.random.Generator,
        epoch: int,
    ) -> list[np.ndarray]:
        """The examples of each update of an epoch, every example once.

        Args:
            lengths: int (N,), tokens of each example.
            labels: int (N,).
            size: examples an update; the last one may have fewer.
            rng: decides the order.
            epoch: its number, from 0.
        """
        order = rng.permutation(len(lengths))
        if not self._groups_in(epoch):
            return cut(order, size)
        windows = np.array_split(order, max(1, round(len(order) / (self.window * size))))
        keys = (self._keys(lengths[rows], labels[rows], rng) for rows in windows)
        grouped = [
            rows[np.argsort(key, kind="stable")] for rows, key in zip(windows, keys, strict=True)
        ]
        updates = cut(np.concatenate(grouped), size)
        return [updates[i] for i in rng.permutation(len(updates))]

    def _groups_in(self, epoch: int) -> bool:
        """Whether examples of like length go together in an epoch."""
        if self.way == "at-first":
            return epoch < self.epochs - max(1, round(self.epochs / 3))
        return self.way not in RANDOM

    def _keys(
        self, lengths: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """What the examples of a window are sorted by."""
        if self.way == "jittered":
            return lengths * rng.uniform(1 - JITTER, 1 + JITTER, len(lengths))
        if self.way == "dealt":
            return quantiles(lengths, labels)
        return lengths


def packed(lengths: np.ndarray, rows: int, examples: int) -> np.ndarray:
    """A place for each example in rows that hold about as many tokens as each other.

    The longest example first, each goes to the row with the fewest tokens that has room (Graham
    1969).

    Args:
        lengths: int (N,), N at most rows * examples.
        rows: how many there are.
        examples: as many as a row may hold.

    Returns:
        int64 (rows, examples), numbers of examples; -1 where there is none.
    """
    found = np.full((rows, examples), -1)
    free = [(0, row, 0) for row in range(rows)]
    for example in np.argsort(-lengths, kind="stable"):
        tokens, row, held = heappop(free)
        found[row, held] = example
        if held + 1 < examples:
            heappush(free, (tokens + int(lengths[example]), row, held + 1))
    return found


def fullest(lengths: np.ndarray, places: np.ndarray) -> int:
    """Tokens of the fullest row, for the lengths (N,) of examples and their `packed` places."""
    return int(np.where(places >= 0, lengths[places], 0).sum(axis=1).max())


def quantiles(lengths: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where each example stands among those of its own label, by length: float64, from 0 to 1.

    Examples next to each other in this order have labels in the shares of all of them.
    """
    found = np.empty(len(lengths))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        ranks = np.argsort(np.argsort(lengths[rows], kind="stable"))
        found[rows] = (ranks + 0.5) / len(rows)
    return found


def cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Examples in parts of one size, the last of what is left."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]
