"""Added tokens: cut out of a text before the rest is split into words.

As in `tokenizers/src/tokenizer/added_vocabulary.rs` of Hugging Face's tokenizers.
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
    """Whether it counts only where no word character touches it."""
    lstrip: bool
    """Whether it takes the white space before it."""
    rstrip: bool
    """Whether it takes the white space after it."""
    normalized: bool
    """Whether it is looked for, itself normalized, in the normalized text; else in the raw one."""
    special: bool
    in_model: bool
    """Whether words may be split into it too."""


class AddedTokens:
    """Finds added tokens in texts.

    Args:
        tokens: all of a tokenizer.
        normalize: the tokenizer's normalizer.
    """

    def __init__(self, tokens: Iterable[AddedToken], normalize: Callable[[str], str]) -> None:
        tokens = list(tokens)
        self._normalize = normalize
        self._raw = _Matcher({t.content: t for t in tokens if not t.normalized})
        self._normalized = _Matcher({normalize(t.content): t for t in tokens if t.normalized})

    def split(self, text: str) -> Iterator[int | str]:
        """The ids of the added tokens in a text, and the normalized pieces between them."""
        for piece in self._raw.split(text):
            if isinstance(piece, int):
                yield piece
            else:
                yield from self._normalized.split(self._normalize(piece))


class _Matcher:
    """Finds tokens from left to right, the longest that starts first."""

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
            # White space that the token before has taken leaves nothing of one that is white space.
            if start < stop:
                yield token.id
            done = stop
        if done != len(text):
            yield text[done:]
