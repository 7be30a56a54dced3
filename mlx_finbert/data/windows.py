"""Rows of tokens longer than a model's most, cut into windows that overlap."""

from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.tokens import Tokens

SPECIAL = 2
"""Special tokens of a row: one at each end, with BERT, DistilBERT and RoBERTa alike."""


@dataclass
class Windows:
    """M windows of N texts, those of a text one after the other."""

    tokens: Tokens
    """M rows, each with the special tokens at its ends."""
    texts: np.ndarray
    """int64 (M,), ascending: which text each window is of."""
    weights: np.ndarray
    """float64 (M,): the share of its text's tokens that no earlier window holds."""

    @property
    def num_divided(self) -> int:
        """How many texts have more than one window."""
        return int((np.bincount(self.texts) > 1).sum())

    def mean(self, values: np.ndarray) -> np.ndarray:
        """float64 (N, K): values (M, K) of the windows, averaged for each text by the weights.

        So each token counts once, with the first window that holds it: a last window that brings
        ten new tokens has the say of ten tokens, however many it repeats for context.
        """
        means = np.zeros((self.texts.max(initial=-1) + 1, values.shape[1]))
        np.add.at(means, self.texts, values * self.weights[:, None])
        return means


def cut_into_windows(tokens: Tokens, max_length: int, overlap: int) -> Windows:
    """Windows of at most `max_length` tokens; a row that is no longer is one window as it is.

    Args:
        tokens: N rows with a special token at each end.
        max_length: of a window, special tokens included.
        overlap: how many tokens neighbouring windows share, special tokens not counted, below
            `max_length - 2`. The last window ends with its text and shares more.
    """
    rows, texts, weights = [], [], []
    room = max_length - SPECIAL
    for text in range(len(tokens)):
        ids = tokens[text]
        length = len(ids) - SPECIAL
        seen = 0
        for start in window_starts(length, room, overlap):
            end = min(start + room, length)
            rows.append(np.concatenate([ids[:1], ids[1 + start : 1 + end], ids[-1:]]))
            texts.append(text)
            weights.append((end - seen) / length if length else 1.0)
            seen = end
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    flat = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    of = np.array(texts, np.int64)
    return Windows(Tokens(flat, offsets, tokens.cut[of]), of, np.array(weights))


def window_starts(length: int, room: int, overlap: int) -> list[int]:
    """Where windows of `room` tokens begin in a text of `length` tokens."""
    last = max(length - room, 0)
    return [*range(0, last, room - overlap), last]
