"""A package's tokenizer, rebuilt from the strings in its metadata.

The word pieces are those of BERT, after `normalizers/bert.rs`, `pre_tokenizers/bert.rs` and
`models/wordpiece` of Hugging Face's tokenizers. The byte pairs are those of GPT-2 and RoBERTa,
after `pre_tokenizers/byte_level.rs` and `models/bpe`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlx_finbert.convert.coreml.tokenizer.added_tokens import AddedToken, AddedTokens
from mlx_finbert.convert.coreml.tokenizer.characters import (
    character_class,
    decompositions,
    lowercase,
)
from mlx_finbert.files.json_text import parse_json

PREFIX = "mlx_finbert."

DROPPED = re.compile(f"[{character_class('dropped')}]")
TO_SPACE = re.compile(f"[{character_class('to_space')}]")
IDEOGRAPH = re.compile(f"([{character_class('ideographs')}])")
REORDERED = re.compile(f"[{character_class('reordered')}]{{2,}}")
MARK = re.compile(f"[{character_class('marks')}]")
BERT_WORD = re.compile(
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
        return [i for word in BERT_WORD.findall(text) for i in self._encode_word(word)]

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


LETTER, NUMBER, SPACE = map(character_class, ("letters", "numbers", "white_space"))
BYTE_LEVEL_WORD = re.compile(
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
        return [i for word in BYTE_LEVEL_WORD.findall(text) for i in self._encode_word(word)]

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


class RebuiltTokenizer:
    """Tokenizes as an app can: only with a package's user-defined metadata, without a library.

    Args:
        metadata: `mlx_finbert.tokenizer` (JSON), `mlx_finbert.vocabulary` (one token per line, by
            id) and, for byte pairs, `mlx_finbert.merges`. Lines end only at "\\n": a token may
            contain U+2028, U+0085 or "\\r".

    Raises:
        LookupError, TypeError, ValueError: if a rule is missing or invalid.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        rules = parse_json(metadata[f"{PREFIX}tokenizer"])
        tokens = _lines(metadata[f"{PREFIX}vocabulary"])
        added = [AddedToken(**entry) for entry in rules["added_tokens"]]
        alone = {token.id for token in added if not token.in_model}
        # The line of an id without a token is empty.
        pieces = {token: i for i, token in enumerate(tokens) if token and i not in alone}
        if rules["kind"] == "byte_pair":
            merges = _lines(metadata.get(f"{PREFIX}merges", ""))
            self._model: BytePairs | WordPieces = BytePairs(pieces, merges, rules)
        else:
            self._model = WordPieces(pieces, rules)
        self._added = AddedTokens(added, self._model.normalize)
        special = rules["special_tokens"]
        self._first, self._last = special["cls"]["id"], special["sep"]["id"]

    def __call__(self, text: str, max_length: int | None = None) -> list[int]:
        """Encode a text to ids, between those of the cls and sep tokens.

        Args:
            text: a text without lone surrogates.
            max_length: maximum number of ids, with special tokens; None for no limit.
        """
        ids: list[int] = []
        for piece in self._added.split(text):
            ids += [piece] if isinstance(piece, int) else self._model.encode(piece)
        if max_length is not None:
            ids = ids[: max_length - 2]
        return [self._first, *ids, self._last]


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []
