"""Padded batches of a closed set of shapes.

Rows of like length go into one batch, which is padded to the next of a few fixed lengths. So the
compiled step is traced a handful of times, and little is computed that is not a token: on Financial
PhraseBank about 11% of the positions are padding at batch 32, where random batches padded to their
longest row have 53%. Everything here is numpy: MLX arrays belong to the thread that computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.lengths import best_lengths
from mlx_finbert.data.tokens import Tokens

WINDOW = 100
"""About so many batches' worth of shuffled rows are sorted by length together."""

EPOCHS_SEEN = 3
"""From the batches of so many epochs the lengths to pad to are chosen."""


@dataclass
class Batch:
    """B rows of L tokens; rows beyond the last example are padding and have weight zero."""

    input_ids: np.ndarray
    """int32 (B, L)."""
    attention_mask: np.ndarray
    """int32 (B, L), 1 for a token."""
    labels: np.ndarray
    """int32 (B,)."""
    weights: np.ndarray
    """float32 (B,), 1 for an example and 0 for a row of padding."""
    rows: np.ndarray
    """int64 (<= B,): which examples these are."""

    @property
    def num_tokens(self) -> int:
        return int(self.attention_mask.sum())


@dataclass
class Update:
    """What one update of the weights is computed from."""

    rows: np.ndarray
    """int64: the examples, of all processes together."""
    numbers: np.ndarray
    """int64: the numbers of these rows in their file."""
    labels: np.ndarray
    """int32: the labels of these rows."""
    batches: list[Batch]
    """This process's part of them, one batch after the other."""


def padded_length(longest: int, multiple: int) -> int:
    """Where no lengths were chosen: the next multiple up to 96, the next fourth one beyond."""
    step = multiple if longest <= 96 else 4 * multiple
    return -(-longest // step) * step


class Loader:
    """Batches over N examples, every example exactly once an epoch.

    Training batches (`seed` given) differ from epoch to epoch: rows are shuffled, sorted by length
    within windows of about 100 batches, cut into batches, and the batches are shuffled. Without a
    seed the batches are the same each time, longest last.
    """

    def __init__(
        self,
        tokens: Tokens,
        labels: np.ndarray | None,
        batch_size: int,
        pad_token_id: int,
        max_length: int,
        seed: int | None = None,
        multiple: int = 8,
        accumulation: int = 1,
        rank: int = 0,
        ranks: int = 1,
        numbers: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            tokens: N rows of token ids.
            labels: int32 (N,), or None where there are none (they are then 0).
            batch_size: B of every batch.
            pad_token_id: fills `input_ids`.
            max_length: no batch is longer.
            seed: of the shuffle.
            multiple: of which every length is one.
            accumulation: batches an update. The rows of an update depend on their number alone:
                4 batches of 4 rows hold what one of 16 holds.
            rank: which of the processes this is, of `ranks` that share every batch; `ranks`
                divides batch_size.
            numbers: int64 (N,), of the examples in their file; 1 to N where None.
        """
        self.tokens = tokens
        self.lengths = tokens.lengths
        self.labels = np.zeros(len(tokens), np.int32) if labels is None else labels
        self.numbers = np.arange(1, len(tokens) + 1) if numbers is None else numbers
        self.batch_size = batch_size
        self.pad_token_id = pad_token_id
        self.max_length = max_length
        self.seed = seed
        self.multiple = multiple
        self.update_size = batch_size * accumulation
        self.rank = rank
        self.ranks = ranks
        self.chosen_lengths: np.ndarray | None = None

    def choose_lengths(self) -> None:
        """Pad to the few lengths that suit these rows best.

        For a loader that is gone through often; without, the lengths are the same for all data.
        """
        batches = [rows for epoch in range(EPOCHS_SEEN) for rows in self._batches(epoch)]
        longest = [self.lengths[rows].max() for rows in batches]
        self.chosen_lengths = best_lengths(np.array([*longest, self.lengths.max()]), self.multiple)

    def __len__(self) -> int:
        """Updates an epoch: the batches, where there is no accumulation."""
        return -(-len(self.tokens) // self.update_size)

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; number and seed alone decide their order."""
        return (batch for update in self.updates(number) for batch in update.batches)

    def updates(self, number: int = 0, start: int = 0) -> Iterator[Update]:
        """The updates of one epoch from the one numbered `start` on, where a run goes on."""
        for rows in self.plan(number)[start:]:
            batches = [self.batch(part) for part in cut(rows, self.batch_size)]
            yield Update(rows, self.numbers[rows], self.labels[rows], batches)

    def sampled(self, seed: int = 0) -> Iterator[Batch]:
        """The batches of an epoch in a random order, so that the first ones are a fair sample.

        In the order of `epoch` without a seed they would be the shortest rows.
        """
        batches = self._batches(0)
        for i in np.random.default_rng(seed).permutation(len(batches)):
            yield self.batch(batches[i])

    def plan(self, number: int = 0) -> list[np.ndarray]:
        """The rows of each update of an epoch."""
        if self.seed is None:
            return cut(np.argsort(self.lengths, kind="stable"), self.update_size)
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self.lengths))
        windows = max(1, round(len(order) / (WINDOW * self.update_size)))
        sorted_parts = [
            part[np.argsort(self.lengths[part], kind="stable")]
            for part in np.array_split(order, windows)
        ]
        updates = cut(np.concatenate(sorted_parts), self.update_size)
        return [updates[i] for i in rng.permutation(len(updates))]

    def length(self, rows: np.ndarray) -> int:
        """L of a batch of these rows."""
        longest = int(self.lengths[rows].max())
        if self.chosen_lengths is None:
            return min(padded_length(longest, self.multiple), self.max_length)
        return min(int(self.chosen_lengths[self.chosen_lengths >= longest][0]), self.max_length)

    def batch(self, rows: np.ndarray) -> Batch:
        """This process's share of these rows, as long as the longest of all of them."""
        shape = (self.batch_size // self.ranks, self.length(rows))
        rows = rows[self.rank :: self.ranks]
        lengths = np.zeros(shape[0], np.int64)
        lengths[: len(rows)] = self.lengths[rows]
        is_token = np.arange(shape[1]) < lengths[:, None]
        input_ids = np.full(shape, self.pad_token_id, np.int32)
        input_ids[is_token] = np.concatenate([self.tokens[row] for row in rows] or [[]])
        labels = np.zeros(shape[0], np.int32)
        labels[: len(rows)] = self.labels[rows]
        weights = (np.arange(shape[0]) < len(rows)).astype(np.float32)
        return Batch(input_ids, is_token.astype(np.int32), labels, weights, rows)

    def padding_waste(self) -> float:
        """Share of an epoch's positions that hold no token, between 0 and 1."""
        positions = sum(self.batch_size * self.length(rows) for rows in self._batches(0))
        return 1 - len(self.tokens.ids) / positions

    def _batches(self, number: int) -> list[np.ndarray]:
        """The rows of each batch of an epoch."""
        return [part for rows in self.plan(number) for part in cut(rows, self.batch_size)]


def cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows in parts of one size, the last of what is left."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]
