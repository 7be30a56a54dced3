"""Tokenized texts in one flat array."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError

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
        raise InputError(f"--max-length is {max_length}: from 3 to {most}, the model's maximum")
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
