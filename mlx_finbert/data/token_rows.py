"""Rows of a token store for masked-language modelling; see `Rows`."""

from typing import Protocol

import numpy as np

from mlx_finbert.data.token_store import TokenStore
from mlx_finbert.data.tokens import SPECIAL


class StoredRows(Protocol):
    """N rows of tokens, read from disk one at a time."""

    lengths: np.ndarray
    """int (N,): the lengths of the rows, special tokens included."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> np.ndarray:
        """The tokens of a row, int32 (L,), with a special token at each end."""
        ...

    @property
    def starts(self) -> "Starts":
        """Which tokens of a row begin a word: `starts[i]` is bool (L,)."""
        ...


class _Rows:
    """What both kinds of rows share: a row is a stretch of the store between special tokens."""

    lengths: np.ndarray

    def __init__(self, store: TokenStore, ends: tuple[int, int]) -> None:
        self.store = store
        self.first, self.last = ends
        self.starts = Starts(self)

    def __len__(self) -> int:
        return len(self.lengths)

    def place(self, row: int) -> tuple[int, int]:
        """The first token of a row in the store, and the one after its last."""
        raise NotImplementedError

    def __getitem__(self, row: int) -> np.ndarray:
        tokens = self.store.tokens(*self.place(row))
        return np.concatenate([[self.first], tokens, [self.last]], dtype=np.int32)


class JoinedRows(_Rows):
    """Texts run on, with a separator after each, and cut to rows of one length.

    So there is no padding, and one shape. What is left at the end, less than a row, is dropped.
    """

    def __init__(self, store: TokenStore, length: int, ends: tuple[int, int]) -> None:
        """
        Args:
            store: The tokens.
            length: The tokens of every row, special tokens included.
            ends: The ids of the special tokens at the two ends of a row.
        """
        super().__init__(store, ends)
        self._room = length - SPECIAL
        count = len(store) // self._room
        self.lengths = np.broadcast_to(np.int64(length), (count,))
        self.dropped = len(store) - count * self._room
        """Tokens at the end that do not fill a row."""

    def place(self, row: int) -> tuple[int, int]:
        row = range(len(self))[row]
        return row * self._room, (row + 1) * self._room


class LineRows(_Rows):
    """One row a text, cut at a maximum length."""

    def __init__(self, store: TokenStore, length: int, ends: tuple[int, int]) -> None:
        """
        Args:
            store: The tokens.
            length: The most tokens of a row, special tokens included.
            ends: The ids of the special tokens at the two ends of a row.
        """
        super().__init__(store, ends)
        # The separator after a text is not part of its row.
        tokens = np.diff(store.offsets) - 1
        self._room = length - SPECIAL
        self.lengths = np.minimum(tokens, self._room) + SPECIAL
        self.cut = int(np.count_nonzero(tokens > self._room))
        """Texts that were too long and were cut."""
        self.dropped = int(np.maximum(tokens - self._room, 0).sum())
        """Tokens that were cut off."""

    def place(self, row: int) -> tuple[int, int]:
        start = int(self.store.offsets[row])
        return start, start + int(self.lengths[row]) - SPECIAL


class Starts:
    """Which tokens begin a word, by row."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> np.ndarray:
        found = self._rows.store.starts(*self._rows.place(row))
        # What a row begins with counts as a word, even where a cut left its beginning behind.
        found[:1] = True
        return np.concatenate([[True], found, [True]])
