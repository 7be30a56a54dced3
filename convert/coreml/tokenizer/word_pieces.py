"""BERT's normalizer, and its splitting into words and word pieces.

This follows `normalizers/bert.rs`, `pre_tokenizers/bert.rs` and `models/wordpiece` of Hugging
Face's tokenizers.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from mlx_finbert.convert.coreml.tokenizer.characters import (
    character_class,
    decompositions,
    lowercase,
)

DROPPED = re.compile(f"[{character_class('dropped')}]")
TO_SPACE = re.compile(f"[{character_class('to_space')}]")
IDEOGRAPH = re.compile(f"([{character_class('ideographs')}])")
REORDERED = re.compile(f"[{character_class('reordered')}]{{2,}}")
MARK = re.compile(f"[{character_class('marks')}]")
WORD = re.compile(
    "[{1}]|[^{0}{1}]+".format(character_class("white_space"), character_class("punctuation"))
)


class WordPieces:
    """Splits text into WordPiece ids.

    Args:
        pieces: ids of the tokens that words are split into.
        rules: the `mlx_finbert.tokenizer` metadata of a package.
    """

    def __init__(self, pieces: Mapping[str, int], rules: Mapping[str, Any]) -> None:
        self._pieces = pieces
        self._rules = rules
        self._unknown = rules["special_tokens"]["unk"]["id"]
        self._prefix = rules["continuing_subword_prefix"]

    def normalize(self, text: str) -> str:
        """Normalize a text as BERT does, and put spaces around ideographs."""
        if self._rules["clean_text"]:
            text = TO_SPACE.sub(" ", DROPPED.sub("", text))
        if self._rules["handle_chinese_chars"]:
            text = IDEOGRAPH.sub(r" \1 ", text)
        if self._rules["strip_accents"]:
            text = MARK.sub("", decomposed(text))
        return text.translate(lowercase()) if self._rules["lowercase"] else text

    def encode(self, text: str) -> list[int]:
        """Encode a normalized text to ids, without special tokens."""
        return [i for word in WORD.findall(text) for i in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        """Encode a word: repeatedly take the longest matching piece; without one, it is unknown."""
        if len(word) > self._rules["max_input_chars_per_word"]:
            return [self._unknown]
        ids: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            stops = range(len(word), start, -1)
            stop = next((e for e in stops if prefix + word[start:e] in self._pieces), None)
            if stop is None:
                return [self._unknown]
            ids.append(self._pieces[prefix + word[start:stop]])
            start, prefix = stop, self._prefix
        return ids


def decomposed(text: str) -> str:
    """Decompose a text canonically (NFD), with marks in the order of their combining classes."""
    text = text.translate(decompositions())
    return REORDERED.sub(lambda run: "".join(sorted(run[0], key=unicodedata.combining)), text)
