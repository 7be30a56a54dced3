"""The tokenizer rebuilt from metadata alone gives the ids of Hugging Face's, in every case."""

import itertools
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers_under_test import (
    ALL_KINDS,
    byte_pairs,
    differing,
    metadata_of,
    texts_for,
    word_pieces,
)

from mlx_finbert.convert.coreml.golden_texts import GOLDEN_TEXTS
from mlx_finbert.convert.coreml.tokenizer.rebuilt import RebuiltTokenizer

BOTH = [True, False]
RULES = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")


@pytest.mark.parametrize(
    "rules",
    [
        dict(
            zip(
                ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"),
                on,
                strict=True,
            )
        )
        for on in itertools.product(BOTH, BOTH, [None, *BOTH], BOTH)
    ],
    ids=str,
)
def test_word_pieces_by_every_set_of_rules(rules):
    tokenizer = word_pieces(**rules)
    tokenizer.add_tokens(ALL_KINDS)
    assert differing(tokenizer, [*GOLDEN_TEXTS, *texts_for(tokenizer)]) == []


@pytest.mark.parametrize("add_prefix_space", BOTH)
def test_byte_pairs_with_merges(add_prefix_space):
    tokenizer = byte_pairs(add_prefix_space=add_prefix_space)
    assert len(json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]) > 100
    tokenizer.add_tokens(ALL_KINDS)
    assert differing(tokenizer, [*GOLDEN_TEXTS, *texts_for(tokenizer)]) == []


FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@pytest.mark.parametrize("make", [word_pieces, byte_pairs])
@pytest.mark.parametrize("on", itertools.product(BOTH, repeat=len(FLAGS)), ids=str)
def test_added_tokens_with_every_combination_of_flags(make, on):
    tokenizer = make()
    flags = dict(zip(FLAGS, on, strict=True))
    contents = ["EBITDA", "bit", "a b", "Été", "profit", "-", "\t", "##s"]
    tokenizer.add_tokens([AddedToken(content, **flags) for content in contents])
    between = ("", " ", "\u2003", "_", "é", "-")
    glued = ["EBITDA"[:n] + c + "EBITDA" for n in range(7) for c in between]
    assert differing(tokenizer, [*glued, *texts_for(tokenizer)[:500]]) == []


added_tokens = st.lists(
    st.builds(
        AddedToken,
        st.text("aAéÉ株 -b\t.", min_size=1, max_size=4),
        **{flag: st.booleans() for flag in FLAGS},
    ),
    max_size=5,
    unique_by=lambda token: token.content.lower(),
)


@given(added=added_tokens, text=st.text("aAéÉe\u0301株 -b\t.\u00ad\u2028", max_size=30))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("make", [word_pieces, byte_pairs])
def test_any_added_tokens_in_any_text(make, added, text):
    tokenizer = make()
    tokenizer.add_tokens(added)
    try:
        metadata = metadata_of(tokenizer)
    except ValueError:
        return  # Two of them are the same once normalized: refused.
    try:
        expected = tokenizer(text)["input_ids"]
    except BaseException as error:
        # What tokenizers raises where Rust panics, as for the added token " " with lstrip.
        assume(type(error).__name__ != "PanicException")
        raise
    assert RebuiltTokenizer(metadata)(text) == expected


@given(text=st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text(text):
    for tokenizer in (CASED, UNCASED, PAIRS):
        assert differing(tokenizer, [text]) == []


CASED, UNCASED, PAIRS = word_pieces(lowercase=False), word_pieces(), byte_pairs()


def test_ids_are_cut_before_the_last_special_token():
    rebuilt = RebuiltTokenizer(metadata_of(UNCASED))
    text = "profits rose and " * 20
    whole = rebuilt(text)
    assert rebuilt(text, 16) == [*whole[:15], whole[-1]]
    assert rebuilt(text, len(whole)) == rebuilt(text, 10**6) == whole
    assert rebuilt("", 3) == UNCASED("")["input_ids"]


def test_tokens_that_hold_line_separators_keep_their_lines():
    """bert-base-chinese has a token U+2028: a reader that splits lines there shifts all ids."""
    tokenizer = word_pieces(clean_text=False)
    tokens = ["\u2028x", "a\u0085b", "c\u000bd", "e\rf", "g\r", "last"]
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in tokens])
    assert differing(tokenizer, [f"profit{token}s" for token in tokens]) == []
    first = len(tokenizer) - len(tokens)
    text = metadata_of(tokenizer)["mlx_finbert.vocabulary"]
    assert text.split("\n")[first:-1] == tokens != text.splitlines()[first:]


def test_an_id_that_has_no_token_is_an_empty_line():
    tokenizer = word_pieces()
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = parts["model"]["vocab"]
    gap = vocabulary.pop("profit")
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(parts))
    assert metadata_of(tokenizer)["mlx_finbert.vocabulary"].split("\n")[gap] == ""
    assert differing(tokenizer, ["profit and profits", *GOLDEN_TEXTS]) == []
