"""Checks whether the tokens of a vocabulary belong to the rows of an embedding.

A vocabulary with a missing line gives every later token another token's row, and nothing fails.
Trained weights show it in two ways. Words with the same beginning (`profit`, `profits`) have
similar rows: if the similar rows are a line or two further on instead, lines are missing. And rows
without a token are padding only if they look unlike those of tokens: an embedding is padded to a
multiple of a round number, and no text trains these rows as it trains the others.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Rows = Callable[[np.ndarray], np.ndarray]
"""Ids (N,) to rows of an embedding, float32 (N, hidden_size)."""

MULTIPLES = (8, 16, 32, 64, 128)
"""Common multiples that embeddings are padded to (`pad_to_multiple_of` of transformers)."""

BLOCK = 100
"""Word pairs per mean similarity."""
MOST_BLOCKS = 40
FURTHEST = 32
"""Largest shift, in rows, that is searched for."""
CERTAIN = 6.0
"""Standard errors by which the similarity of pairs must stand out, given some 2,000 trials."""

SAMPLE = 2048
"""Rows that are examined."""
USUAL = 0.6, 1.67
"""Range of a token row's length over the median length; padding rows lie outside it."""
ALIKE = 0.5
"""Mean cosine of padding rows that training only ever pushed away from all texts together."""


@dataclass
class Misfit:
    """A part of a vocabulary that does not match its rows."""

    word: str
    """One of the first words in that part."""
    shift: int | None
    """Offset from a token's row to the matching one; None if no row nearby matches."""


def misfit_of(tokens: Sequence[str], rows: int, embedding: Rows) -> Misfit | None:
    """Find the first part of a vocabulary that does not match its rows, if the weights show one.

    Args:
        tokens: by id.
        rows: number of rows of the embedding.
        embedding: its rows by id.
    """
    blocks = _blocks(tokens)
    similarity = np.array([_standing_out(block, embedding) for block in blocks])
    doubtful = np.flatnonzero(similarity < CERTAIN)
    for i in doubtful:
        wanted = max(similarity[i], 0) + CERTAIN
        if shift := _shift(blocks[i], wanted, rows, len(tokens), embedding):
            return Misfit(tokens[blocks[i][0, 1]], shift)
    # One block of rare words may be undertrained; three in a row are not.
    lost = [i for i in doubtful[2:] if (similarity[i - 2 : i + 1] < CERTAIN / 2).all()]
    if lost and is_trained(len(tokens), embedding):
        return Misfit(tokens[blocks[lost[0] - 2][0, 1]], None)
    return None


def is_pretrained(tokens: Sequence[str], embedding: Rows) -> bool:
    """Whether words with the same beginning have similar rows, as after training on much text."""
    return any(_standing_out(block, embedding) >= CERTAIN for block in _blocks(tokens))


def _blocks(tokens: Sequence[str]) -> list[np.ndarray]:
    """Blocks of ids of similar words, (BLOCK, 2) each, spread over the vocabulary."""
    pairs = similar_words(tokens)
    count = min(len(pairs) // BLOCK, MOST_BLOCKS)
    parts = np.array_split(pairs, count) if count else ()
    return [part[np.linspace(0, len(part) - 1, BLOCK).astype(int)] for part in parts]


def _shift(block: np.ndarray, wanted: float, rows: int, tokens: int, embedding: Rows) -> int | None:
    """The offset, in rows, at which the pairs are similar, if any."""
    distances = {*range(-FURTHEST, FURTHEST + 1), rows - tokens} - {0}
    for distance in sorted(distances, key=abs):
        # Also move the later word alone, in case the shift begins between the two.
        for moved in (block + distance, block + np.array([0, distance])):
            inside = (moved.min(axis=1) >= 0) & (moved.max(axis=1) < rows)
            moved = moved[inside & (moved[:, 0] != moved[:, 1])]
            if len(moved) > BLOCK / 2 and _standing_out(moved, embedding) > wanted:
                return distance
    return None


def similar_words(tokens: Sequence[str]) -> np.ndarray:
    """Ids of word pairs, (N, 2), in which one word begins the other; sorted by the larger id."""
    ids = {
        token: i for i, token in enumerate(tokens) if len(token) >= 5 and token.strip("Ġ").isalpha()
    }
    found = [
        sorted((ids[word], ids[longer]))
        for word, longer in itertools.pairwise(sorted(ids))
        if longer.startswith(word)
    ]
    return np.array(sorted(found, key=lambda pair: pair[1]), int).reshape(-1, 2)


def _standing_out(pairs: np.ndarray, embedding: Rows) -> float:
    """Standard errors by which the pairs' mean cosine exceeds that of random pairs."""
    first, second = (_directions(embedding(ids)) for ids in pairs.T)
    cosines = (first * second).sum(axis=1)
    others = (first * np.roll(second, len(second) // 2, axis=0)).sum(axis=1)
    error = np.hypot(cosines.std(), others.std()) / len(pairs) ** 0.5
    return float((cosines.mean() - others.mean()) / max(error, 1e-9))


def _directions(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def are_padding(first: int, rows: int, embedding: Rows) -> bool:
    """Whether the last rows of an embedding look unlike those of tokens.

    Args:
        first: id of the first row without a token.
        rows: number of rows of the embedding.
        embedding: its rows by id.
    """
    known, lacking = (embedding(_sample(*ids)) for ids in ((0, first), (first, rows)))
    return bool(_unlike(lacking, known).mean() > 0.9 or _alike(lacking - known.mean(axis=0)))


def is_trained(tokens: int, embedding: Rows) -> bool:
    """Whether the lengths of rows vary more than at random initialisation.

    The lengths of rows from one normal distribution spread by 1 / sqrt(2 hidden_size) of their
    mean.
    """
    rows = embedding(_sample(0, tokens))
    lengths = np.linalg.norm(rows, axis=1)
    return bool(lengths.std() > 2 * lengths.mean() / (2 * rows.shape[1]) ** 0.5)


def _sample(start: int, stop: int) -> np.ndarray:
    return np.unique(np.linspace(start, stop - 1, SAMPLE).astype(int))


def _unlike(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which rows are unusually close to, or far from, zero or the mean of the tokens' rows."""
    found = np.zeros(len(rows), bool)
    for origin in (0, known.mean(axis=0)):
        usual = np.median(np.linalg.norm(known - origin, axis=1))
        ratio = np.linalg.norm(rows - origin, axis=1) / usual
        found |= (ratio < USUAL[0]) | (ratio > USUAL[1])
    return found


def _alike(rows: np.ndarray) -> bool:
    """Whether rows point in one direction."""
    directions, count = _directions(rows), len(rows)
    total = np.square(directions.sum(axis=0)).sum()
    return count > 1 and (total - count) / (count * (count - 1)) > ALIKE


def is_padded_size(tokens: int, rows: int) -> bool:
    """Whether padding this number of tokens to a common multiple gives `rows`."""
    return any(rows % multiple == 0 and rows - tokens < multiple for multiple in MULTIPLES)
