"""Overlapping windows for rows that are longer than a model's maximum."""

from dataclasses import dataclass

import numpy as np

from mlx_finbert.data.tokens import Tokens

SPECIAL = 2
"""The special tokens of a row, one at each end, in BERT, DistilBERT and RoBERTa."""


@dataclass
class Windows:
    """M windows of N texts, in the order of the texts."""

    tokens: Tokens
    """M rows, each with the special tokens at its ends."""
    texts: np.ndarray
    """int64 (M,), ascending: the text of each window."""
    weights: np.ndarray
    """float64 (M,): the share of the text's tokens that no earlier window contains."""

    @property
    def num_divided(self) -> int:
        """The number of texts with more than one window."""
        return int((np.bincount(self.texts) > 1).sum())

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Average the windows' values (M, K) for each text by the weights: float64 (N, K).

        With these weights each token counts once, in the first window that contains it. A last
        window with ten new tokens has the weight of ten tokens, however many it repeats as context.
        """
        means = np.zeros((self.texts.max(initial=-1) + 1, values.shape[1]))
        np.add.at(means, self.texts, values * self.weights[:, None])
        return means


def cut_into_windows(tokens: Tokens, max_length: int, overlap: int) -> Windows:
    """Cut rows into windows of at most `max_length` tokens; a shorter row is one window.

    Args:
        tokens: N rows with a special token at each end.
        max_length: The most tokens of a window, including special tokens.
        overlap: The tokens that neighbouring windows share, without special tokens; below
            `max_length - 2`. The last window ends with its text and may share more.
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
    """Return the starts of windows of `room` tokens in a text of `length` tokens."""
    last = max(length - room, 0)
    return [*range(0, last, room - overlap), last]
