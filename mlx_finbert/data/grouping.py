"""Grouping of examples into batches with little padding.

A batch is padded to its longest example, so about half of a random batch of sentences is padding.
The usual remedy is batches of examples with similar lengths. But examples of similar length are
also similar in kind, so such a batch is not a random sample of the data. Two ways keep the batches
random: `packed` and `parts`. docs/training.md has measurements of all ways.
The few lengths that batches are padded to are chosen for the given rows.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

import numpy as np

Way = Literal["packed", "parts", "no", "windows", "jittered", "dealt", "at-first"]
"""The ways to group examples:

- `no`: random batches.
- `packed`: random batches, with several short examples in a row.
- `parts`: random batches, each computed in parts of similar length whose gradients are added.
- `windows`: examples of similar length together, as in transformers' Trainer: they are sorted by
  length within windows of several batches.
- `jittered`: `windows`, with each length multiplied by a random factor before sorting.
- `dealt`: `windows`, with each label spread evenly over the batches.
- `at-first`: `windows`, but random batches in the last third of the epochs.
"""

RANDOM = ("packed", "parts", "no")
"""The ways whose batches are random samples."""

ATTENTION = 1500
"""The number of tokens in a row at which attention costs as much as everything else.

It is roughly twice the head's width times the 12 products of a layer. This is an estimate, which
decides how full the rows are packed.
"""

BATCHES_TRIED = 16
"""The number of random batches from which the cheapest number of rows is estimated."""

NUMBERS_TRIED = 64
"""The approximate number of row counts to try; trying all takes seconds for large batches."""

MOST_LENGTHS = 16
"""The most lengths to pad to; MLX traces the compiled step for each, and keeps all traces."""

JITTER = 0.25
"""The factors of `jittered` differ from 1 by at most this much."""


@dataclass(frozen=True)
class Grouping:
    """The way to group an epoch's examples into updates."""

    way: Way
    number_of_parts: int = 4
    """Parts per batch, for the way `parts`."""
    window: int = 50
    """Batches per window, for the ways with windows."""
    epochs: int = 1
    """Epochs of the whole run."""

    @property
    def parts(self) -> int:
        """The number of parts of each batch."""
        return self.number_of_parts if self.way == "parts" else 1

    @property
    def sampled_epochs(self) -> list[int]:
        """A few epochs that represent all; with `at-first`, the last epoch is one of them."""
        return [0, 1, self.epochs - 1 if self.way == "at-first" else 2]

    def rows_of(self, lengths: np.ndarray, batch_size: int, ranks: int) -> tuple[int, int]:
        """Choose the number of rows of a batch and the most examples that a row may hold.

        For packed batches, choose the number of rows that costs least for lengths like these. It is
        even and at least two, because a CPU computes rows in pairs. A row may hold one example more
        than needed, so that rows fill more evenly.

        Args:
            lengths: int (N,), tokens of each example.
            batch_size: Examples per batch.
            ranks: The number of processes; it divides the rows and the examples of a batch.
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
        label_ids: np.ndarray,
        size: int,
        rng: np.random.Generator,
        epoch: int,
    ) -> list[np.ndarray]:
        """Return the examples of each update of an epoch, every example once.

        Args:
            lengths: int (N,), tokens of each example.
            label_ids: int (N,).
            size: Examples per update; the last update may have fewer.
            rng: Decides the order.
            epoch: The number of the epoch, from 0.
        """
        order = rng.permutation(len(lengths))
        if not self._groups_in(epoch):
            return cut(order, size)
        windows = np.array_split(order, max(1, round(len(order) / (self.window * size))))
        keys = (self._keys(lengths[rows], label_ids[rows], rng) for rows in windows)
        grouped = [
            rows[np.argsort(key, kind="stable")] for rows, key in zip(windows, keys, strict=True)
        ]
        updates = cut(np.concatenate(grouped), size)
        return [updates[i] for i in rng.permutation(len(updates))]

    def _groups_in(self, epoch: int) -> bool:
        """Whether an epoch groups examples of similar length."""
        if self.way == "at-first":
            return epoch < self.epochs - max(1, round(self.epochs / 3))
        return self.way not in RANDOM

    def _keys(
        self, lengths: np.ndarray, label_ids: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the keys by which the examples of a window are sorted."""
        if self.way == "jittered":
            return lengths * rng.uniform(1 - JITTER, 1 + JITTER, len(lengths))
        if self.way == "dealt":
            return quantiles(lengths, label_ids)
        return lengths


def packed(lengths: np.ndarray, rows: int, examples: int) -> np.ndarray:
    """Place examples in rows so that all rows hold about the same number of tokens.

    In order of length, longest first, each example goes to the row that has the fewest tokens and
    still has room (Graham 1969).

    Args:
        lengths: int (N,), N at most rows * examples.
        rows: The number of rows.
        examples: The most examples that a row may hold.

    Returns:
        int64 (rows, examples), the indices of the examples; -1 for an empty place.
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
    """Return the tokens of the fullest row, from the lengths (N,) and the `packed` places."""
    return int(np.where(places >= 0, lengths[places], 0).sum(axis=1).max())


def quantiles(lengths: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
    """Return the quantile of each example's length among examples of the same label.

    Sorted by this value, neighbouring examples have labels in about the shares of the whole.

    Returns:
        float64 (N,), from 0 to 1.
    """
    found = np.empty(len(lengths))
    for label in np.unique(label_ids):
        rows = np.flatnonzero(label_ids == label)
        ranks = np.argsort(np.argsort(lengths[rows], kind="stable"))
        found[rows] = (ranks + 0.5) / len(rows)
    return found


def cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut examples into parts of one size; the last part holds the rest."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def best_lengths(lengths: np.ndarray, multiple: int, most: int = MOST_LENGTHS) -> np.ndarray:
    """Find the lengths with the least padding, if each batch is padded to the next of them.

    This is dynamic programming over the multiples that occur: the best `k` lengths that end with
    `c` are `c` and the cheapest `k - 1` lengths below it.

    Args:
        lengths: int (N,), the lengths of the batches' longest rows, N at least 1.
        multiple: Every chosen length is a multiple of this.
        most: The largest number of lengths.

    Returns:
        int64, ascending; the last one is long enough for all batches.
    """
    rounded = -(-lengths // multiple) * multiple
    candidates, counts = np.unique(rounded, return_counts=True)
    batches = np.concatenate([[0], np.cumsum(counts)])
    # cost[i, j]: the cost of the batches of candidates i to j if all are padded to j.
    cost = (batches[None, 1:] - batches[:-1, None]) * candidates[None, :].astype(np.float64)
    cost[np.tril_indices(len(candidates), -1)] = np.inf
    best = cost[0]
    before = []
    for _ in range(min(most, len(candidates)) - 1):
        # Lengths up to candidate i - 1, followed by one length for candidates i to j.
        options = np.concatenate([[0.0], best[:-1]])[:, None] + cost
        before.append(options.argmin(axis=0))
        best = options.min(axis=0)
    chosen = [len(candidates) - 1]
    for firsts in reversed(before):
        first = firsts[chosen[-1]]
        if first == 0:
            break
        chosen.append(first - 1)
    return candidates[chosen[::-1]]
