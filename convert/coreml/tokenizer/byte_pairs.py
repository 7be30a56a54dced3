"""Byte-level byte-pair encoding, as in GPT-2 and RoBERTa.

This follows `pre_tokenizers/byte_level.rs` and `models/bpe` of Hugging Face's tokenizers.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlx_finbert.convert.coreml.tokenizer.characters import character_class

LETTER, NUMBER, SPACE = map(character_class, ("letters", "numbers", "white_space"))
WORD = re.compile(
    rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{LETTER}]+| ?[{NUMBER}]+| ?[^{SPACE}{LETTER}{NUMBER}]+"
    rf"|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+"
)
"""GPT-2's pattern (openai/gpt-2, src/encoder.py)."""


def byte_letters() -> list[str]:
    """The letter for each byte in a vocabulary: the byte's own character if it is printable."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printed else chr(next(others)) for byte in range(0x100)]


class BytePairs:
    """Splits text into byte-pair ids.

    Args:
        pieces: ids of the tokens that words are split into.
        merges: pairs of tokens, `first second`, in order.
        rules: the `mlx_finbert.tokenizer` metadata of a package.
    """

    def __init__(
        self, pieces: Mapping[str, int], merges: Sequence[str], rules: Mapping[str, Any]
    ) -> None:
        self._pieces = pieces
        self._ranks = {tuple(pair.split(" ")): rank for rank, pair in enumerate(merges)}
        self._letters = byte_letters()
        self._add_prefix_space = rules["add_prefix_space"]

    def normalize(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def encode(self, text: str) -> list[int]:
        """Encode a non-empty text to ids, without special tokens."""
        if self._add_prefix_space and not text.startswith(" "):
            text = f" {text}"
        return [i for word in WORD.findall(text) for i in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        """Encode a word: repeatedly merge the leftmost pair of the lowest rank."""
        parts = [self._letters[byte] for byte in word.encode("utf-8")]
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            if (rank := min(ranks)) == len(self._ranks):
                break
            first = ranks.index(rank)
            parts[first : first + 2] = ["".join(parts[first : first + 2])]
        return [self._pieces[part] for part in parts]
