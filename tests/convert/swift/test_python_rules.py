"""The Swift package's rules for sentences, windows and sentiments are Python's."""

import json
import random
import string
from itertools import pairwise

import numpy as np
import pytest
from swift_tools import build, run

from mlx_finbert.data import sentences
from mlx_finbert.data.sentences import split_sentences
from mlx_finbert.data.tokens import Tokens, cut_into_windows, window_starts
from mlx_finbert.inference.scored_rows import scale_positions

WORDS = sorted(
    sentences.NEVER_LAST | sentences.SELDOM_LAST | sentences.NUMBERED | sentences.STARTERS
)
SPECIAL_CASES = (
    "U.S. EUR 58.70. rose Q1. 1. . ... ? ! \" '' ) ( - * … No. e.g. J. 5 Ä iPhone 。 a) ''. .5 ?!"
    " “ ” (a) iv) Q2. XX. It's Yahoo! ß. ﬁg. ſt. K. ١. ². +358 _a. a_b. ǅ. 𝟏. Ⅳ. ⅳ. ª. a.b.c. Ph.D."
    ' ab.cd. abc.de. 12. 123. 1234. (1) (12). A1. Q. ; , : "( eBay Ünited.'
).split()
BREAKS = [" "] * 12 + ["\n", "\r\n", "\r", "\n\n", "\t", "\u2028", "\x85", "\x1c", "\xa0", "\v"]
RANGES = [(0x20, 0x250), (0x370, 0x600), (0x1D00, 0x2200), (0xFB00, 0xFB10), (0x10000, 0x1F000)]


def answers(scenario, cases):
    out = run(build("scenarios"), scenario, input=json.dumps(cases).encode())
    return json.loads(out)


def random_word(source):
    kind = source.random()
    if kind < 0.4:
        return source.choice(SPECIAL_CASES)
    if kind < 0.8:
        word = source.choice(WORDS)
        word = source.choice([word, word.capitalize(), word.upper()])
        ending = source.choice(["", ".", ".", "?", "!", ",", ".)", "…", "...", "’s", "'s.", ".”"])
        return source.choice(["", "(", '"', "“", "'", "«"]) + word + ending
    letters = [chr(source.randrange(*source.choice(RANGES))) for _ in range(source.randrange(1, 4))]
    return "".join(letters) + source.choice(["", "."])


def random_texts(count):
    source = random.Random(0)
    for _ in range(count):
        words = [random_word(source) for _ in range(source.randrange(14))]
        yield "".join(word + source.choice(BREAKS) for word in words)


def require_equal_sentences(texts):
    for text, found in zip(texts, answers("sentences", texts), strict=True):
        assert found == split_sentences(text), repr(text)


def test_sentences_of_random_texts():
    require_equal_sentences(list(random_texts(5_000)))


@pytest.mark.slow
def test_sentences_with_scalars_of_all_kinds():
    """All of the first planes' scripts, and some of all others."""
    codes = [*range(0xD800), *range(0xE000, 0x110000, 23)]
    require_equal_sentences([f"A{c}b. {c} {c}. C{c}. {c}d" for c in map(chr, codes)])


def test_time_grows_with_the_length_of_a_text_alone():
    texts = [word * 50_000 for word in ("- ", "Inc. ", ". ", '" ', "a. ) ", ".", "a.a.", "iv")]
    require_equal_sentences(texts)


def test_windows():
    cases = [
        (count, room, overlap)
        for count in (0, 1, 5, 6, 7, 11, 12, 13, 40)
        for room in (1, 2, 6, 30)
        for overlap in range(min(room, 5))
    ]
    for (count, room, overlap), found in zip(cases, answers("windows", cases), strict=True):
        tokens = Tokens(np.arange(count + 2), np.array([0, count + 2]), np.array([False]))
        expected = cut_into_windows(tokens, room + 2, overlap)
        starts = window_starts(count, room, overlap)
        ends = [start + len(expected.tokens[i]) - 2 for i, start in enumerate(starts)]
        assert [[first, last] for first, last, _ in found] == [
            list(pair) for pair in zip(starts, ends, strict=True)
        ]
        assert [weight for *_, weight in found] == expected.weights.tolist()


SCALES = [
    ["negative", "neutral", "positive"],
    ["Positive", "NEGATIVE"],
    ["bearish", "neu", "Pos"],
    ["sell", "hold", "buy", "strong buy", "Strong_Sell"],
    ["very-negative", "negative", "neutral", "positive", "very positive"],
    ["\u2003 weakly  positive\n", "weakly_-negative"],
    ["poſitive", "negative"],
    ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"],
    ["5stars", "4_stars", "3-star", "1 STAR", "2 stars"],
    ["1 star", "2 stars", "3 stars", "4 stars"],
    ["1 star", "2 stars", "3 stars", "4 stars", "6 stars"],
    ["1  stars", "2 stars", "3 stars", "4 stars", "5 stars"],
    ["positive", "neutral"],
    ["positive", "pos", "negative"],
    ["negative", "mixed", "positive"],
    ["very neutral", "negative", "positive"],
    ["quite very positive", "negative"],
    ["_positive", "negative"],
    ["positive_", "negative_"],
    ["positivé", "negative"],
    ["positive"],
    ["", ""],
    ["buy", "negative"],
    ["World", "Sports", "Business", "Sci/Tech"],
]


def test_scales_of_sentiments():
    source = random.Random(0)
    words = ["positive", "negative", "neutral", "buy", "sell", "hold", "very", "strong", "weak"]
    random_labels = [
        source.choice(["", "", "very ", "Slightly-", "highly_"]) + source.choice(words)
        for _ in range(2_000)
    ]
    pairs = [[a, b] for a, b in pairwise(random_labels)]
    threes = [[a, "Neutral", b] for a, b in pairs]
    letters = [[f"{c}ositive", "negative"] for c in string.printable]
    cases = SCALES + pairs + threes + letters
    found = answers("scales", cases)
    for labels, positions in zip(cases, found, strict=True):
        expected = scale_positions(tuple(labels))
        if expected is None:
            assert positions is None, labels
        else:
            assert positions == pytest.approx(expected.tolist(), abs=1e-15), labels
    assert 100 < sum(positions is not None for positions in found) < len(cases) / 2
