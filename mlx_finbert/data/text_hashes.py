"""Hashes of texts: which texts are the same, and random numbers that depend only on the text."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

HASH_BYTES = 8
"""64 bits: among a million texts, two share a hash by accident with a chance of 3e-8."""


def fold(text: str) -> str:
    """The form in which texts are compared: case, white space and Unicode form do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_hash(text: str) -> str:
    """16 hexadecimal digits, the same for all texts that fold alike."""
    return _digest(fold(text)).hex()


def chances(texts: Sequence[str], purpose: str, seed: int) -> np.ndarray:
    """A number for each text, drawn by its hash.

    It is the same for texts that fold alike, whatever rows stand around them, and independent of
    the numbers for another purpose or seed.

    Args:
        texts: N strings.
        purpose: what is drawn.
        seed: of the draw.

    Returns:
        float64 (N,), uniform in [0, 1).
    """
    digests = b"".join(_digest(f"{purpose} {seed}\n{fold(text)}") for text in texts)
    # The 53 bits that a float64 holds: all 64 could round up to 1.
    return (np.frombuffer(digests, ">u8") >> 11) * 2.0**-53


def group_alike(texts: Iterable[str]) -> np.ndarray:
    """int64 (N,): rows with the same folded text have the same number, 0 being the first row's."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(fold(text), len(numbers)) for text in texts], np.int64)


def _digest(text: str) -> bytes:
    # A lone surrogate, as JSON can hold one, has no UTF-8 of its own.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
