"""Hashes of texts, to find equal texts and to draw random numbers that depend only on the text."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

HASH_BYTES = 8
"""64 bits: among a million texts, the probability that any two share a hash by chance is 3e-8."""


def fold(text: str) -> str:
    """Return the form in which texts are compared, without case, white space and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_hash(text: str) -> str:
    """Return a hash of 16 hexadecimal digits, the same for all texts that fold alike."""
    return _digest(fold(text)).hex()


def chances(texts: Sequence[str], purpose: str, seed: int) -> np.ndarray:
    """Draw a random number for each text by its hash.

    The number is the same for texts that fold alike, does not depend on the other rows, and is
    independent of the numbers for another purpose or seed.

    Args:
        texts: N strings.
        purpose: The name of the draw.
        seed: The seed of the draw.

    Returns:
        float64 (N,), uniform in [0, 1).
    """
    digests = b"".join(_digest(f"{purpose} {seed}\n{fold(text)}") for text in texts)
    # Use the 53 bits that a float64 can hold; all 64 bits could round up to 1.
    return (np.frombuffer(digests, ">u8") >> 11) * 2.0**-53


def group_alike(texts: Iterable[str]) -> np.ndarray:
    """Number the folded texts in order of first occurrence: int64 (N,), from 0."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(fold(text), len(numbers)) for text in texts], np.int64)


def _digest(text: str) -> bytes:
    # JSON can hold a lone surrogate, which has no valid UTF-8.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
