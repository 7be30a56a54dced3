"""Added tokens: found in a text before the rest is split into words.

This follows `tokenizers/src/tokenizer/added_vocabulary.rs` of Hugging Face's tokenizers.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mlx_finbert.convert.coreml.tokenizer.characters import character_class, characters

WORD = re.compile(f"[{character_class('word')}]")
SPACES = characters("white_space")


@dataclass(frozen=True)
class AddedToken:
    """An entry of `added_tokens` in a package's tokenizer rules."""

    id: int
    content: str
    single_word: bool
    """Whether it is found only if no word character is next to it."""
    lstrip: bool
    """Whether it includes the white space before it."""
    rstrip: bool
    """Whether it includes the white space after it."""
    normalized: bool
    """Whether its normalized form is searched for in the normalized text, not the raw text."""
    special: bool
    in_model: bool
    """Whether words may be split into it too."""


class AddedTokens:
    """Finds added tokens in texts.

    Args:
        tokens: all added tokens of a tokenizer.
        normalize: the tokenizer's normalizer.
    """

    def __init__(self, tokens: Iterable[AddedToken], normalize: Callable[[str], str]) -> None:
        tokens = list(tokens)
        self._normalize = normalize
        self._raw = _Matcher({t.content: t for t in tokens if not t.normalized})
        self._normalized = _Matcher({normalize(t.content): t for t in tokens if t.normalized})

    def split(self, text: str) -> Iterator[int | str]:
        """Yield the ids of the added tokens in a text, and the normalized pieces between them."""
        for piece in self._raw.split(text):
            if isinstance(piece, int):
                yield piece
            else:
                yield from self._normalized.split(self._normalize(piece))


class _Matcher:
    """Finds tokens from left to right; at each position the longest."""

    def __init__(self, tokens: dict[str, AddedToken]) -> None:
        self._tokens = tokens
        longest_first = sorted(tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def split(self, text: str) -> Iterator[int | str]:
        done = 0
        for found in self._pattern.finditer(text):
            token = self._tokens[found[0]]
            start, stop = found.span()
            if token.single_word and (
                (start and WORD.match(text, start - 1)) or WORD.match(text, stop)
            ):
                continue
            if token.lstrip:
                start = max(len(text[:start].rstrip(SPACES)), done)
            if token.rstrip:
                stop = len(text) - len(text[stop:].lstrip(SPACES))
            if done < start:
                yield text[done:start]
            # A token of white space is empty if the previous token included that white space.
            if start < stop:
                yield token.id
            done = stop
        if done != len(text):
            yield text[done:]
