"""Tokenized texts in one flat array, and overlapping windows over those that are too long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError

SPECIAL = 2
"""The special tokens of a row, one at each end, in BERT, DistilBERT and RoBERTa."""

CHUNK = 1024
"""Texts per call of the tokenizer, which distributes them over the cores."""


@dataclass
class Tokens:
    """The token ids of N texts."""

    ids: np.ndarray
    """int32: all rows, concatenated."""
    offsets: np.ndarray
    """int64 (N + 1,): row i is `ids[offsets[i]:offsets[i + 1]]`."""
    cut: np.ndarray
    """bool (N,): which rows were truncated."""

    @property
    def truncated(self) -> int:
        """The number of truncated rows."""
        return int(np.count_nonzero(self.cut))

    def equals(self, other: "Tokens") -> bool:
        """Whether the rows have the same token ids."""
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.ids, other.ids)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of the rows, including special tokens: int64 (N,)."""
        return np.diff(self.offsets)


def checked_max_length(max_length: int | None, default: int, most: int) -> int:
    """Return the maximum length of a row.

    Args:
        max_length: The length that the user asks for; None takes the default.
        default: The default length.
        most: The model's maximum.

    Raises:
        InputError: If `max_length` is out of range.
    """
    if max_length is None:
        return default
    if not 3 <= max_length <= most:
        raise InputError(f"`max_length` is {max_length}: from 3 to {most}, the model's maximum")
    return max_length


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> Tokens:
    """Tokenize texts, and truncate rows to `max_length` but keep the last special token.

    Args:
        tokenizer: A fast tokenizer of transformers.
        texts: N strings.
        max_length: The most tokens of a row, including special tokens.
    """
    return _joined(map(partial(_encode, tokenizer, max_length), _chunks(texts)))


def tokenize_in(
    thread: Executor, tokenizer: Any, texts: Sequence[str], max_length: int
) -> Callable[[], Tokens]:
    """Start `tokenize` in another thread; the returned function, called once, gives the tokens."""
    return partial(_joined, thread.map(partial(_encode, tokenizer, max_length), _chunks(texts)))


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    return (list(texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK))


def _encode(
    tokenizer: Any, max_length: int, texts: list[str]
) -> tuple[list[np.ndarray], list[bool]]:
    """Tokenize a chunk; return its rows and whether each was truncated."""
    # The tokenizer itself does not truncate: it would not report how often, and the setting would
    # remain in a shared object.
    encoded = tokenizer(
        texts, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )
    rows = []
    for ids in encoded["input_ids"]:
        if len(ids) > max_length:
            ids = [*ids[: max_length - 1], ids[-1]]
        rows.append(np.array(ids, dtype=np.int32))
    return rows, [len(ids) > max_length for ids in encoded["input_ids"]]


def _joined(chunks: Iterable[tuple[list[np.ndarray], list[bool]]]) -> Tokens:
    rows: list[np.ndarray] = []
    cut: list[bool] = []
    for rows_of_chunk, cut_of_chunk in chunks:
        rows += rows_of_chunk
        cut += cut_of_chunk
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    flat = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    return Tokens(flat, offsets, np.array(cut, bool))


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


UNKNOWN_SHARE = 0.02
"""Warn about more unknown tokens than this: the tokenizer is often that of another model."""


def unknown_notes(share: float, name: str) -> list[str]:
    """Return a warning if too many tokens are unknown.

    Args:
        share: Share of the tokens that are unknown to the vocabulary.
        name: What was tokenized, for the message.
    """
    if share <= UNKNOWN_SHARE:
        return []
    return [
        f"{name}: {share:.0%} of the tokens are unknown to the vocabulary: check that the"
        " tokenizer belongs to this model and that its lower-casing is right"
    ]
