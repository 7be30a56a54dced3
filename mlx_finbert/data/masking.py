"""Masking for masked-language models (Devlin et al. 2019, section 3.1 and appendix A.1).

Everything here is numpy, because MLX arrays belong to the thread that computes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from mlx_finbert.data.tokens import SPECIAL
from mlx_finbert.errors import InputError

MASKED, RANDOM = 0.8, 0.1
"""Shares of the drawn tokens that become the mask token and a random one; the rest stay."""

DRAWS = 3
"""Random numbers per token: the order of drawing, the kind of replacement, and the random token."""


@dataclass
class MaskedRows:
    """B rows of L tokens with P places for masked ones, in ascending order."""

    input_ids: np.ndarray
    """int32 (B, L), after replacement."""
    positions: np.ndarray
    """int32 (B, P); 0 for an empty place."""
    label_ids: np.ndarray
    """int32 (B, P), the original tokens; 0 for an empty place."""
    weights: np.ndarray
    """float32 (B, P), 1 for a masked token and 0 for an empty place."""

    def take(self, rows: slice) -> "MaskedRows":
        """Some of the rows."""
        return MaskedRows(
            self.input_ids[rows], self.positions[rows], self.label_ids[rows], self.weights[rows]
        )


@dataclass(frozen=True, eq=False)
class Masking:
    """How tokens are drawn, and by which others they are replaced.

    Of n tokens that are not special, `max(1, round(probability * n))` are drawn; halves are rounded
    up. 80% of these become the mask token, 10% a random token that is not special, and 10% stay as
    they are.
    """

    mask_token_id: int
    pad_token_id: int
    is_special: np.ndarray
    """bool (V,), by token id: never drawn, and never a replacement."""
    probability: float = 0.15
    whole_words: bool = False
    """Whether to draw all tokens of a word or none (Cui et al. 2021). The number of tokens is then
    not exceeded: a drawn word that would exceed it is left out, as in Google's code, and a row
    whose words are all too long has none."""

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise InputError(
                f"`mask_probability` is {self.probability}: it must be between 0 and 1"
            )

    @cached_property
    def ordinary(self) -> np.ndarray:
        """The tokens that are not special, int32."""
        return np.flatnonzero(~self.is_special).astype(np.int32)

    @classmethod
    def of(cls, tokenizer: Any, probability: float = 0.15, whole_words: bool = False) -> Self:
        """Masking with the tokens of a transformers tokenizer.

        Unknown tokens are special too; an id without a token counts as special.
        """
        ids = list(tokenizer.get_vocab().values())
        is_special = np.ones(max(ids) + 1, bool)
        is_special[ids] = False
        added = tokenizer.added_tokens_decoder.items()
        is_special[[i for i, token in added if token.special]] = True
        is_special[tokenizer.all_special_ids] = True
        mask, pad = tokenizer.mask_token_id, tokenizer.pad_token_id
        return cls(mask, pad, is_special, probability, whole_words)

    def places(self, length: int) -> int:
        """P for rows of L tokens with a special token at each end, at least 1."""
        return max(1, int(self.counts(np.array(length - SPECIAL))))

    def counts(self, maskable: np.ndarray) -> np.ndarray:
        """The numbers of tokens to draw; 0 where there are none that are not special."""
        rounded = np.floor(self.probability * maskable + 0.5).astype(np.int64)
        return np.minimum(np.maximum(rounded, 1), np.maximum(maskable, 0))

    def apply(
        self, input_ids: np.ndarray, draws: np.ndarray, starts: np.ndarray | None = None
    ) -> MaskedRows:
        """Mask rows of tokens.

        Args:
            input_ids: int32 (B, L), with padding.
            draws: float64 (DRAWS, B, L), random numbers from 0 to below 1.
            starts: bool (B, L), where a word begins; only for whole words.
        """
        maskable = ~self.is_special[input_ids]
        places = self.places(input_ids.shape[1])
        counts = np.minimum(self.counts(maskable.sum(axis=1)), places)
        if not self.whole_words:
            drawn = drawn_tokens(maskable, draws[0], counts)
        elif starts is None:
            raise ValueError("whole words need the starts of the words")
        else:
            drawn = drawn_words(maskable, starts, draws[0], counts)
        return self._replaced(input_ids, drawn, draws, places)

    def _replaced(
        self, input_ids: np.ndarray, drawn: np.ndarray, draws: np.ndarray, places: int
    ) -> MaskedRows:
        rows, columns = np.nonzero(drawn)
        place = (drawn.cumsum(axis=1) - 1)[rows, columns]
        shape = (len(input_ids), places)
        positions, label_ids = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        weights = np.zeros(shape, np.float32)
        positions[rows, place] = columns
        label_ids[rows, place] = old = input_ids[rows, columns]
        weights[rows, place] = 1
        _, kind, which = draws[:, rows, columns]
        random = self.ordinary[(which * len(self.ordinary)).astype(np.int64)]
        new = np.where(kind < MASKED + RANDOM, random, old)
        masked = input_ids.copy()
        masked[rows, columns] = np.where(kind < MASKED, self.mask_token_id, new)
        return MaskedRows(masked, positions, label_ids, weights)


def drawn_tokens(maskable: np.ndarray, order: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Draw tokens of each row, those with the lowest numbers.

    Args:
        maskable: bool (B, L).
        order: float64 (B, L), a random number of each token, below 1.
        counts: int64 (B,), at most the row's maskable tokens.

    Returns:
        bool (B, L).
    """
    first = np.argsort(np.where(maskable, order, 1.0), axis=1)[:, : counts.max(initial=0)]
    drawn = np.zeros_like(maskable)
    is_drawn = np.arange(first.shape[1]) < counts[:, None]
    np.put_along_axis(drawn, first, is_drawn, axis=1)
    return drawn


def drawn_words(
    maskable: np.ndarray, starts: np.ndarray, order: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Draw words of each row in a random order, each that does not exceed the number of tokens.

    A word ends at the next start and at any special token.

    Args:
        maskable: bool (B, L).
        starts: bool (B, L), where a word begins.
        order: float64 (B, L), a random number of each token, below 1; a word has its first token's.
        counts: int64 (B,), the most tokens of each row.

    Returns:
        bool (B, L).
    """
    begins = starts | ~maskable
    begins[:, 1:] |= ~maskable[:, :-1]
    begins[:, :1] = True
    words = begins.cumsum(axis=1) - 1
    rows = np.arange(len(words))[:, None]
    sizes = np.zeros(words.shape, np.int64)
    np.add.at(sizes, (rows, words), maskable)
    keys = np.ones(words.shape)
    keys[np.broadcast_to(rows, words.shape)[begins], words[begins]] = order[begins]
    ranked = np.argsort(np.where(sizes > 0, keys, 1.0), axis=1)
    is_drawn, left = np.zeros_like(maskable), counts.copy()
    for size, word in zip(np.take_along_axis(sizes, ranked, axis=1).T, ranked.T, strict=True):
        fits = (size > 0) & (size <= left)
        is_drawn[rows[:, 0], word] = fits
        left -= size * fits
        if not left.any():
            break
    return maskable & np.take_along_axis(is_drawn, words, axis=1)


def draws_of(rows: Iterable[int], lengths: Sequence[int], width: int, *seed: int) -> np.ndarray:
    """Random numbers of rows, which depend only on the seed and the number of each row.

    So a row is masked in the same way in any batch, process and resumed run.

    Args:
        rows: the numbers of B rows.
        lengths: the tokens of each row.
        width: L.
        seed: what the numbers depend on, in addition to the row.

    Returns:
        float64 (DRAWS, B, L); zero beyond a row's length.
    """
    found = np.zeros((DRAWS, len(lengths), width))
    for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        found[:, i, :length] = np.random.default_rng([*seed, row]).random((DRAWS, length))
    return found
