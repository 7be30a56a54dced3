"""Random texts that tokenizers disagree on, the same each time."""

import random
from collections.abc import Sequence

COUNT = 2000

LETTERS = (
    "abcdefghijklmnopqrstuvwxyz" * 3 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "0123456789" * 2,
    "àéîõüçñåøæœßÀÉÎÕÜÇÑÅØÆŒẞıİſʼnǅǆ",
    "αβγδεςσΑΒΓΣάΈϊΐᾳ" + "абвгдёйЁЙЖ" + "աԱ" + "აႠⴀ" + "ᎠꭰꞫ",
    "אבגלשׂ" + "ابتثءآ" + "कखगड़ि" + "กขคำ" + "မြန်",
    "株価上昇了公司" + "\U00020000\U0002a6df\U0002b81f\U0002b820\U0002b91f\U0002b920豈金",
    "かがカガｶﾞ" + "가각힣" + "\u1100\u1161\u11a8",
)
MARKS = "\u0300\u0301\u0308\u0327\u0328\u0334\u0345\u05b0\u064b\u093c\u0e31\u1037\u1039\u3099\u20d0"
MARKS += "\u0900\u08e3\u1dfa\U0001d165\U0001d16d\U00011938"
PUNCTUATION = (
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" * 2 + "«»“”‘’„…–—−·¿¡§¶†‰€£¥₿©®™°½²№"
    "、。・「」！？" + "؟،।॥៖" + "\u2e4f\u166d\U000111c9\U00010f55"
)
SPACES = " " * 8 + "\t\n\r\u00a0\u1680\u2003\u2009\u2028\u2029\u202f\u205f\u3000\u000b\u000c\u0085"
SPACES += "\u001c\u001f"
INVISIBLE = "\u0000\u0007\u001b\u007f\u00ad\u0600\u180e\u200b\u200c\u200d\u200f\u2060\ufeff\ufffd"
INVISIBLE += "\ue000\U000f0000\uffff"
EMOJI = "📈📉👩💼👍🏽🇫🇮❤\ufe0f\u20e3🜁🀄"
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "’s", "''s")


def random_texts(tokens: Sequence[str], added: Sequence[str]) -> list[str]:
    """Make mixtures of scripts, marks, spaces, pieces of the vocabulary and added tokens.

    Args:
        tokens: the tokens of the vocabulary.
        added: the text of the added tokens, including special ones.
    """
    mix = _Mixture(tokens, added)
    return [mix.text() for _ in range(COUNT)]


class _Mixture:
    def __init__(self, tokens: Sequence[str], added: Sequence[str]) -> None:
        self._random = random.Random(0)
        self._tokens = tokens
        self._added = added
        self._kinds = (
            (self._word, 8), (self._piece, 6), (self._added_token, 6), (self._marked, 3),
            (self._any, 2), (self._long, 0.3),
            (lambda: self._several(PUNCTUATION, 3), 4), (lambda: self._several(SPACES, 3), 3),
            (lambda: self._several(INVISIBLE, 2), 2), (lambda: self._several(EMOJI, 3), 2),
            (lambda: self._random.choice(CONTRACTIONS), 2),
        )  # fmt: skip

    def text(self) -> str:
        """Make a text of one to twelve parts, with or without spaces between them."""
        kinds, weights = zip(*self._kinds, strict=True)
        count = self._random.randint(1, 12)
        parts = [make() for make in self._random.choices(kinds, weights, k=count)]
        gaps = self._random.choices(("", "", " ", " ", self._several(SPACES, 2)), k=count)
        return "".join(part + gap for part, gap in zip(parts, gaps, strict=True))

    def _several(self, characters: str, most: int) -> str:
        return "".join(self._random.choices(characters, k=self._random.randint(1, most)))

    def _word(self) -> str:
        return self._cased(self._several(self._random.choice((LETTERS[0], *LETTERS)), 9))

    def _piece(self) -> str:
        return self._cased(self._random.choice(self._tokens))

    def _added_token(self) -> str:
        token = self._random.choice(self._added)
        repeated = token * self._random.choice((1, 1, 1, 2))
        return self._cased(repeated) if self._random.random() < 0.3 else repeated

    def _marked(self) -> str:
        """Make letters with marks that are not in canonical order."""
        letters = self._several("".join(LETTERS), 4)
        return "".join(letter + self._several(MARKS, 3) for letter in letters)

    def _any(self) -> str:
        """Choose a scalar from all of Unicode, usually from a script that is not listed above."""
        code = self._random.choice(
            (self._random.randrange(0x30000), self._random.randrange(0x3000))
        )
        return "" if 0xD800 <= code <= 0xDFFF else chr(code)

    def _long(self) -> str:
        return self._random.choice(("a", "é", "株", "7", "ab")) * self._random.randint(48, 104)

    def _cased(self, text: str) -> str:
        return self._random.choice((str, str, str.upper, str.title))(text)
