"""Padded batches of a closed set of shapes.

Rows of like length go into one batch, which is padded to the next of a few fixed lengths. So the
compiled step is traced a handful of times, and little is computed that is not a token: on Financial
PhraseBank about 15% of the positions are padding at batch 32, where random batches padded to their
longest row have 53%. Everything here is numpy: MLX arrays belong to the thread that computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.tokens import Tokens

WINDOW = 50
"""Batches' worth of shuffled rows that are sorted by length together."""


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


def padded_length(longest: int) -> int:
    """The fixed length for a row: the next multiple of 8 up to 96, of 32 beyond."""
    step = 8 if longest <= 96 else 32
    return -(-longest // step) * step


class Loader:
    """Batches over N examples, every example exactly once an epoch.

    Training batches (`seed` given) differ from epoch to epoch: rows are shuffled, sorted by length
    within windows of 50 batches, cut into batches, and the batches are shuffled. Without a seed the
    batches are the same each time, longest last.
    """

    def __init__(
        self,
        tokens: Tokens,
        labels: np.ndarray | None,
        batch_size: int,
        pad_token_id: int,
        max_length: int,
        seed: int | None = None,
    ) -> None:
        """
        Args:
            tokens: N rows of token ids.
            labels: int32 (N,), or None where there are none (they are then 0).
            batch_size: B of every batch.
            pad_token_id: fills `input_ids`.
            max_length: no batch is longer.
            seed: of the shuffle.
        """
        self.tokens = tokens
        self.lengths = tokens.lengths
        self.labels = np.zeros(len(tokens), np.int32) if labels is None else labels
        self.batch_size = batch_size
        self.pad_token_id = pad_token_id
        self.max_length = max_length
        self.seed = seed

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.tokens) // self.batch_size)

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; number and seed alone decide their order."""
        return (self.batch(rows) for rows in self.plan(number))

    def plan(self, number: int = 0) -> list[np.ndarray]:
        """The rows of each batch of an epoch."""
        if self.seed is None:
            return self._cut(np.argsort(self.lengths, kind="stable"))
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self.lengths))
        window = WINDOW * self.batch_size
        for start in range(0, len(order), window):
            part = order[start : start + window]
            order[start : start + window] = part[np.argsort(self.lengths[part], kind="stable")]
        batches = self._cut(order)
        return [batches[i] for i in rng.permutation(len(batches))]

    def _cut(self, order: np.ndarray) -> list[np.ndarray]:
        return [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def length(self, rows: np.ndarray) -> int:
        """L of a batch of these rows."""
        return min(padded_length(int(self.lengths[rows].max())), self.max_length)

    def batch(self, rows: np.ndarray) -> Batch:
        shape = (self.batch_size, self.length(rows))
        input_ids = np.full(shape, self.pad_token_id, np.int32)
        attention_mask = np.zeros(shape, np.int32)
        for i, row in enumerate(rows):
            ids = self.tokens[row]
            input_ids[i, : len(ids)] = ids
            attention_mask[i, : len(ids)] = 1
        labels = np.zeros(self.batch_size, np.int32)
        labels[: len(rows)] = self.labels[rows]
        weights = (np.arange(self.batch_size) < len(rows)).astype(np.float32)
        return Batch(input_ids, attention_mask, labels, weights, rows)

    def padding_waste(self) -> float:
        """Share of an epoch's positions that hold no token, between 0 and 1."""
        positions = sum(self.batch_size * self.length(rows) for rows in self.plan())
        return 1 - len(self.tokens.ids) / positions
