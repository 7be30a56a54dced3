"""Padded batches with a small set of shapes.

A batch, or a part of one, is padded to the next of a few fixed lengths, so the compiled step is
traced only a few times. `grouping.py` decides which rows go together. Everything here is numpy,
because MLX arrays belong to the thread that computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.grouping import Grouping, best_lengths, cut, fullest, packed
from mlx_finbert.data.tokens import Tokens

MOST_POSITIONS = 2**16
"""The most positions, padding included, of a batch that is not for training: with more, nothing is
faster, and the memory has no bound."""
FEWEST_ROWS = 64
"""A batch size up to this one is kept, even if there are fewer examples."""


@dataclass
class Batch:
    """The examples of a batch, or of a part of it, in R rows of L tokens with E places each.

    E is 1 unless examples are packed. A place without an example has weight zero.
    """

    input_ids: np.ndarray
    """int32 (R, L)."""
    attention_mask: np.ndarray
    """int32 (R, L): 1 for the tokens of a row's first example, 2 for those of the second, and so
    on; 0 for padding."""
    label_ids: np.ndarray
    """int32 (R * E,)."""
    weights: np.ndarray
    """float32 (R * E,), 1 for an example and 0 for a place without one."""
    rows: np.ndarray
    """int64 (<= R * E,): the indices of the examples."""

    @property
    def num_tokens(self) -> int:
        return int((self.attention_mask > 0).sum())


@dataclass
class Update:
    """The input of one update of the weights."""

    rows: np.ndarray
    """int64: the indices of the examples, of all processes together."""
    numbers: np.ndarray
    """int64: the numbers of these rows in their file."""
    label_ids: np.ndarray
    """int32: the labels of these rows."""
    batches: list[Batch]
    """This process's share of the examples, as batches or parts of batches."""


def useful_rows(batch_size: int, count: int, ranks: int = 1) -> int:
    """Return the rows of a batch, without many that no example would ever fill.

    Args:
        batch_size: Rows that the user asks for.
        count: The number of all examples; the result grows with it in steps, as each number of rows
            is a shape to compile.
        ranks: The number of processes, which divides the result.
    """
    enough = max(FEWEST_ROWS, 1 << (count - 1).bit_length()) if count else FEWEST_ROWS
    return min(batch_size, ranks * -(-enough // ranks))


def padded_length(longest: int, multiple: int) -> int:
    """Return the default padded length: a multiple up to 96, and four times that beyond."""
    step = multiple if longest <= 96 else 4 * multiple
    return -(-longest // step) * step


class Loader:
    """Batches over N examples, with every example exactly once per epoch.

    Training batches (`seed` given) differ from epoch to epoch and follow `grouping`. Without a
    seed, rows of similar length go together, and the batches are always the same, longest last.
    """

    def __init__(
        self,
        tokens: Tokens,
        label_ids: np.ndarray | None,
        batch_size: int,
        pad_token_id: int,
        max_length: int,
        seed: int | None = None,
        multiple: int = 8,
        accumulation: int = 1,
        rank: int = 0,
        ranks: int = 1,
        numbers: np.ndarray | None = None,
        grouping: Grouping | None = None,
    ) -> None:
        """
        Args:
            tokens: N rows of token ids.
            label_ids: int32 (N,); None if there are none, which gives labels of 0.
            batch_size: Examples per batch.
            pad_token_id: The token that fills `input_ids`.
            max_length: The most tokens of a row, unless rows are packed.
            seed: The seed of the shuffle.
            multiple: Every padded length is a multiple of this.
            accumulation: Batches per update. The rows of an update depend only on their number:
                4 batches of 4 rows hold the same rows as one batch of 16.
            rank: The number of this process, from 0.
            ranks: The number of processes that share every batch; it divides `batch_size`.
            numbers: int64 (N,), the row numbers of the examples in their file; None means 1 to N.
            grouping: The way to make training batches; None means random batches.
        """
        self.tokens = tokens
        self.lengths = tokens.lengths
        self.label_ids = np.zeros(len(tokens), np.int32) if label_ids is None else label_ids
        self.numbers = np.arange(1, len(tokens) + 1) if numbers is None else numbers
        self.batch_size = useful_rows(batch_size, len(tokens), ranks)
        self.pad_token_id = pad_token_id
        self.max_length = max_length
        self.seed = seed
        self.multiple = multiple
        self.update_size = batch_size * accumulation
        self.grouping = grouping or Grouping("no")
        self.part_size = self.part_rows = self.batch_size
        """The examples and the rows of a part or a whole batch, of all processes together."""
        self.examples = 1
        """The most examples that a row may hold."""
        self.rank = rank
        self.ranks = ranks
        self.chosen_lengths: np.ndarray | None = None
        if seed is not None:
            self.part_size = ranks * -(-self.batch_size // (ranks * self.grouping.parts))
            self.part_rows, self.examples = self.grouping.rows_of(
                self.lengths, self.part_size, ranks
            )
        elif len(tokens):
            self.part_size = self.part_rows = min(self.batch_size, self._most_rows())

    def choose_lengths(self) -> None:
        """Pad to the few lengths that fit these rows best.

        This pays off for a loader that is used for several epochs. Without this call the lengths do
        not depend on the data.
        """
        longest = [fullest(self.lengths, self._places(rows)) for rows in self._sampled_parts()]
        self.chosen_lengths = best_lengths(np.array([*longest, self.lengths.max()]), self.multiple)

    def __len__(self) -> int:
        """The number of updates per epoch; without accumulation, the number of batches."""
        return -(-len(self.tokens) // self.update_size)

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, or their parts, in an order set by number and seed."""
        return (self.batch(rows) for rows in self._parts(number))

    def updates(self, number: int = 0, start: int = 0) -> Iterator[Update]:
        """Yield the updates of an epoch; a resumed run begins with number `start`."""
        for rows in self.plan(number)[start:]:
            batches = [self.batch(part) for part in self._cut(rows)]
            yield Update(rows, self.numbers[rows], self.label_ids[rows], batches)

    def sampled(self, seed: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch in random order, so that the first ones are a fair sample.

        In the order of `epoch` without a seed, the first batches hold the shortest rows.
        """
        batches = self._parts(0)
        for i in np.random.default_rng(seed).permutation(len(batches)):
            yield self.batch(batches[i])

    def plan(self, number: int = 0) -> list[np.ndarray]:
        """Return the rows of each update of an epoch."""
        if self.seed is None:
            return cut(np.argsort(self.lengths, kind="stable"), self.update_size)
        rng = np.random.default_rng([self.seed, number])
        return self.grouping.updates(self.lengths, self.label_ids, self.update_size, rng, number)

    def length(self, rows: np.ndarray) -> int:
        """Return the padded length L of a part with these examples."""
        return self._padded(fullest(self.lengths, self._places(rows)))

    def batch(self, rows: np.ndarray) -> Batch:
        """Make this process's share of these examples, padded for the longest row of all."""
        places = self._places(rows)
        length = self._padded(fullest(self.lengths, places))
        places = places[self.rank :: self.ranks]
        is_there = places >= 0
        rows, lengths = places[is_there], np.where(is_there, self.lengths[places], 0)
        is_token = np.arange(length) < lengths.sum(axis=1)[:, None]
        input_ids = np.full(is_token.shape, self.pad_token_id, np.int32)
        if len(rows):
            input_ids[is_token] = np.concatenate([self.tokens[row] for row in rows])
        attention_mask = is_token.astype(np.int32)
        numbers = np.broadcast_to(np.arange(1, self.examples + 1), places.shape)
        attention_mask[is_token] = np.repeat(numbers.ravel(), lengths.ravel())
        label_ids = np.zeros(places.shape, np.int32)
        label_ids[is_there] = self.label_ids[rows]
        weights = is_there.astype(np.float32)
        return Batch(input_ids, attention_mask, label_ids.ravel(), weights.ravel(), rows)

    def padding_waste(self) -> float:
        """Return the share of positions in all epochs that hold padding, between 0 and 1."""
        parts = self._sampled_parts()
        positions = sum(self.part_rows * self.length(rows) for rows in parts)
        return 1 - sum(self.lengths[rows].sum() for rows in parts) / positions

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """Return the example at each place, -1 for an empty place: int64 (rows of the part, E)."""
        if self.examples > 1:
            order = packed(self.lengths[rows], self.part_rows, self.examples)
            return np.where(order >= 0, rows[order], -1)
        return np.pad(rows, (0, self.part_rows - len(rows)), constant_values=-1)[:, None]

    def _padded(self, longest: int) -> int:
        """Return the padded length L for a longest row of `longest` tokens."""
        chosen = self.chosen_lengths
        if chosen is None or longest > chosen[-1]:
            length = padded_length(longest, self.multiple)
        else:
            length = int(chosen[chosen >= longest][0])
        return length if self.examples > 1 else min(length, self.max_length)

    def _most_rows(self) -> int:
        """Return the most rows of the longest length: a power of 2, so that few shapes occur."""
        fitting = MOST_POSITIONS // self._padded(int(self.lengths.max()))
        return 1 << max(fitting, 1).bit_length() - 1

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        """Cut the examples of an update into batches, or into parts of similar length."""
        if self.part_size < self.batch_size:
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        return cut(rows, self.part_size)

    def _parts(self, number: int) -> list[np.ndarray]:
        """Return the examples of each batch, or of each part, of an epoch."""
        return [part for rows in self.plan(number) for part in self._cut(rows)]

    def _sampled_parts(self) -> list[np.ndarray]:
        """Return the batches or parts of the few epochs that represent all."""
        return [rows for epoch in self.grouping.sampled_epochs for rows in self._parts(epoch)]
