"""Padded batches of a closed set of shapes.

A batch, or a part of one, is padded to the next of a few fixed lengths, so the compiled step is
traced a handful of times. Which rows go together: `grouping.py`. Everything here is numpy: MLX
arrays belong to the thread that computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.grouping import Grouping, cut, fullest, packed
from mlx_finbert.data.lengths import best_lengths
from mlx_finbert.data.tokens import Tokens


@dataclass
class Batch:
    """The examples of a batch, or of a part of it, in R rows of L tokens with E places each.

    E is 1 but where examples are packed. A place without an example has weight zero.
    """

    input_ids: np.ndarray
    """int32 (R, L)."""
    attention_mask: np.ndarray
    """int32 (R, L): 1 for the tokens of a row's first example, 2 for those of the second one,
    and so on; 0 for padding."""
    labels: np.ndarray
    """int32 (R * E,)."""
    weights: np.ndarray
    """float32 (R * E,), 1 for an example and 0 for a place without one."""
    rows: np.ndarray
    """int64 (<= R * E,): which examples these are."""

    @property
    def num_tokens(self) -> int:
        return int((self.attention_mask > 0).sum())


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
    """This process's share of them, one batch after the other, or one part of it."""


def padded_length(longest: int, multiple: int) -> int:
    """Where no lengths were chosen: the next multiple up to 96, the next fourth one beyond."""
    step = multiple if longest <= 96 else 4 * multiple
    return -(-longest // step) * step


class Loader:
    """Batches over N examples, every example exactly once an epoch.

    Training batches (`seed` given) differ from epoch to epoch and are made as `grouping` says.
    Without a seed rows of like length go together and the batches are the same each time, longest
    last.
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
        grouping: Grouping | None = None,
    ) -> None:
        """
        Args:
            tokens: N rows of token ids.
            labels: int32 (N,), or None where there are none (they are then 0).
            batch_size: examples a batch.
            pad_token_id: fills `input_ids`.
            max_length: no batch is longer, unless its rows are packed.
            seed: of the shuffle.
            multiple: of which every length is one.
            accumulation: batches an update. The rows of an update depend on their number alone:
                4 batches of 4 rows hold what one of 16 holds.
            rank: which of the processes this is, of `ranks` that share every batch; `ranks`
                divides batch_size.
            numbers: int64 (N,), of the examples in their file; 1 to N where None.
            grouping: of training batches; random ones where None.
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
        self.grouping = grouping or Grouping("no")
        self.part_size = self.part_rows = batch_size
        """Examples and rows of a part, or of a whole batch, of all processes together."""
        self.examples = 1
        """As many as a row may hold."""
        if seed is not None:
            self.part_size = ranks * -(-batch_size // (ranks * self.grouping.parts))
            self.part_rows, self.examples = self.grouping.rows_of(
                self.lengths, self.part_size, ranks
            )
        self.rank = rank
        self.ranks = ranks
        self.chosen_lengths: np.ndarray | None = None

    def choose_lengths(self) -> None:
        """Pad to the few lengths that suit these rows best.

        For a loader that is gone through often; without, the lengths are the same for all data.
        """
        longest = [fullest(self.lengths, self._places(rows)) for rows in self._sampled_parts()]
        self.chosen_lengths = best_lengths(np.array([*longest, self.lengths.max()]), self.multiple)

    def __len__(self) -> int:
        """Updates an epoch: the batches, where there is no accumulation."""
        return -(-len(self.tokens) // self.update_size)

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, or their parts; number and seed alone decide their order."""
        return (self.batch(rows) for rows in self._parts(number))

    def updates(self, number: int = 0, start: int = 0) -> Iterator[Update]:
        """The updates of one epoch from the one numbered `start` on, where a run goes on."""
        for rows in self.plan(number)[start:]:
            batches = [self.batch(part) for part in self._cut(rows)]
            yield Update(rows, self.numbers[rows], self.labels[rows], batches)

    def sampled(self, seed: int = 0) -> Iterator[Batch]:
        """The batches of an epoch in a random order, so that the first ones are a fair sample.

        In the order of `epoch` without a seed they would be the shortest rows.
        """
        batches = self._parts(0)
        for i in np.random.default_rng(seed).permutation(len(batches)):
            yield self.batch(batches[i])

    def plan(self, number: int = 0) -> list[np.ndarray]:
        """The rows of each update of an epoch."""
        if self.seed is None:
            return cut(np.argsort(self.lengths, kind="stable"), self.update_size)
        rng = np.random.default_rng([self.seed, number])
        return self.grouping.updates(self.lengths, self.labels, self.update_size, rng, number)

    def length(self, rows: np.ndarray) -> int:
        """L of a part of these examples."""
        return self._padded(fullest(self.lengths, self._places(rows)))

    def batch(self, rows: np.ndarray) -> Batch:
        """This process's share of these examples, as long as the longest row of all of them."""
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
        labels = np.zeros(places.shape, np.int32)
        labels[is_there] = self.labels[rows]
        weights = is_there.astype(np.float32)
        return Batch(input_ids, attention_mask, labels.ravel(), weights.ravel(), rows)

    def padding_waste(self) -> float:
        """Share of the positions of all epochs that hold no token, between 0 and 1."""
        parts = self._sampled_parts()
        positions = sum(self.part_rows * self.length(rows) for rows in parts)
        return 1 - sum(self.lengths[rows].sum() for rows in parts) / positions

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """int64 (rows of the part, E): the example at each place, -1 where there is none."""
        if self.examples > 1:
            order = packed(self.lengths[rows], self.part_rows, self.examples)
            return np.where(order >= 0, rows[order], -1)
        return np.pad(rows, (0, self.part_rows - len(rows)), constant_values=-1)[:, None]

    def _padded(self, longest: int) -> int:
        """L for a longest row of so many tokens."""
        chosen = self.chosen_lengths
        if chosen is None or longest > chosen[-1]:
            length = padded_length(longest, self.multiple)
        else:
            length = int(chosen[chosen >= longest][0])
        return length if self.examples > 1 else min(length, self.max_length)

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        """The examples of an update in batches, or in parts of like length."""
        if self.part_size < self.batch_size:
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        return cut(rows, self.part_size)

    def _parts(self, number: int) -> list[np.ndarray]:
        """The examples of each batch, or part of it, of an epoch."""
        return [part for rows in self.plan(number) for part in self._cut(rows)]

    def _sampled_parts(self) -> list[np.ndarray]:
        """Those of the few epochs that stand for all."""
        return [rows for epoch in self.grouping.sampled_epochs for rows in self._parts(epoch)]
