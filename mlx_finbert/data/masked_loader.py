"""Batches of rows of tokens for masked-language models, masked anew in each epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlx_finbert.data.grouping import Grouping, cut
from mlx_finbert.data.loader import Batch, Update, padded_length, useful_rows
from mlx_finbert.data.masking import MaskedRows, Masking, draws_of

HELD_OUT = 2**32 - 1
"""The seed of the masks of held-out rows."""


class Flags(Protocol):
    """A flag for each token of each row."""

    def __getitem__(self, row: int, /) -> np.ndarray:
        """bool (L,)."""
        ...


class Rows(Protocol):
    """N rows of tokens, including special tokens; they may lie on a disk."""

    @property
    def lengths(self) -> np.ndarray:
        """int64 (N,), the tokens of each row."""
        ...

    @property
    def starts(self) -> Flags:
        """Where a word begins; only read for whole words."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def __getitem__(self, row: int, /) -> np.ndarray:
        """int32 (L,)."""
        ...


@dataclass
class MaskedBatch(Batch):
    """R rows of L tokens with P places for masked tokens each.

    `label_ids` and `weights` are those of the R * P places, row by row.
    """

    positions: np.ndarray
    """int32 (R, P), the places in their row; 0 for an empty place."""


class MaskedLoader:
    """Masked batches over N rows, with every row exactly once per epoch; see `Updates`.

    Training batches (`seed` given) differ from epoch to epoch, and so do their masks. Rows of
    similar length go together within windows of several batches; rows of one length are in random
    order. Without a seed the batches and the masks are always the same, longest rows last.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        seed: int | None,
        masking: Masking,
        accumulation: int = 1,
        rank: int = 0,
        ranks: int = 1,
        multiple: int = 8,
    ) -> None:
        """
        Args:
            rows: N rows of tokens.
            batch_size: Rows per batch.
            seed: The seed of order and masks; None for held-out rows.
            masking: How to mask. The masks of a row depend on nothing but this, the seed, the
                epoch and the number of the row.
            accumulation: Batches per update. The rows of an update depend only on their number:
                4 batches of 4 rows hold the same rows as one batch of 16.
            rank: The number of this process, from 0.
            ranks: The number of processes that share every batch; it divides `batch_size`.
            multiple: Every padded length is a multiple of this, or that of the longest row.
        """
        self.rows = rows
        self.lengths = rows.lengths
        self.longest = int(self.lengths.max())
        self.batch_size = useful_rows(batch_size, len(rows), ranks)
        self.seed = seed
        self.masking = masking
        self.update_size = batch_size * accumulation
        self.rank = rank
        self.ranks = ranks
        self.multiple = multiple

    def __len__(self) -> int:
        """The number of updates per epoch; without accumulation, the number of batches."""
        return -(-len(self.rows) // self.update_size)

    def updates(self, number: int = 0, start: int = 0) -> Iterator[Update]:
        """Yield the updates of an epoch; a resumed run begins with number `start`.

        The labels of an update are those of the masked tokens of all processes.
        """
        for rows in self.plan(number)[start:]:
            parts = [(part, self._masked(part, number)) for part in cut(rows, self.batch_size)]
            label_ids = [masked.label_ids[masked.weights > 0] for _, masked in parts]
            batches: list[Batch] = [self._own_share(part, masked) for part, masked in parts]
            yield Update(rows, rows + 1, np.concatenate(label_ids), batches)

    def epoch(self, number: int = 0) -> Iterator[MaskedBatch]:
        """Yield this process's share of each batch of an epoch."""
        for rows in self.plan(number):
            for part in cut(rows, self.batch_size):
                yield self._own_share(part, self._masked(part, number))

    def plan(self, number: int = 0) -> list[np.ndarray]:
        """Return the rows of each update of an epoch."""
        if self.seed is None:
            return cut(np.argsort(self.lengths, kind="stable"), self.update_size)
        rng = np.random.default_rng([self.seed, number])
        unlabelled = np.zeros(len(self.rows), np.int32)
        return Grouping("windows").updates(self.lengths, unlabelled, self.update_size, rng, number)

    def length(self, rows: np.ndarray) -> int:
        """Return the padded length L of a batch of these rows."""
        longest = int(self.lengths[rows].max())
        return min(padded_length(longest, self.multiple), self.longest)

    def padding_waste(self) -> float:
        """Return the share of positions in an epoch that hold padding, between 0 and 1."""
        parts = [part for rows in self.plan() for part in cut(rows, self.batch_size)]
        positions = sum(self.batch_size * self.length(part) for part in parts)
        return 1 - float(self.lengths.sum()) / positions

    def _masked(self, rows: np.ndarray, number: int) -> MaskedRows:
        """Read, pad and mask the rows of a batch, those of all processes."""
        width, lengths = self.length(rows), self.lengths[rows]
        is_token = np.arange(width) < lengths[:, None]
        ids = np.full(is_token.shape, self.masking.pad_token_id, np.int32)
        ids[is_token] = np.concatenate([self.rows[row] for row in rows])
        starts = None
        if self.masking.whole_words:
            starts, of_rows = np.zeros(is_token.shape, bool), self.rows.starts
            starts[is_token] = np.concatenate([of_rows[row] for row in rows])
        seed = (HELD_OUT,) if self.seed is None else (self.seed, number)
        return self.masking.apply(ids, draws_of(rows, lengths, width, *seed), starts)

    def _own_share(self, rows: np.ndarray, masked: MaskedRows) -> MaskedBatch:
        """Take this process's rows, and add empty ones up to the size of every batch."""
        own, masked = rows[self.rank :: self.ranks], masked.take(slice(self.rank, None, self.ranks))
        lacking = ((0, self.batch_size // self.ranks - len(own)), (0, 0))
        ids = np.pad(masked.input_ids, lacking, constant_values=self.masking.pad_token_id)
        lengths = np.pad(self.lengths[own], lacking[0])
        return MaskedBatch(
            input_ids=ids,
            attention_mask=(np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int32),
            label_ids=np.pad(masked.label_ids, lacking).ravel(),
            weights=np.pad(masked.weights, lacking).ravel(),
            rows=own,
            positions=np.pad(masked.positions, lacking),
        )
