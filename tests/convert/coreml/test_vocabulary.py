"""The part of a tokenizer that an app gets."""

import json

import pytest
from tokenizers import normalizers, pre_tokenizers, processors
from tokenizers_under_test import ALL_KINDS, SPECIAL, byte_pairs, word_pieces

from mlx_finbert.convert.coreml.vocabulary import FLAGS, vocabulary_of
from mlx_finbert.errors import InputError


def test_word_pieces(classifier):
    model, tokenizer = classifier("bert")
    vocabulary = vocabulary_of(tokenizer, model.args.vocab_size)
    assert vocabulary.tokens == tokenizer.convert_ids_to_tokens(range(model.args.vocab_size))
    assert vocabulary.text.splitlines() == vocabulary.tokens
    assert vocabulary.special_id("cls") == tokenizer.cls_token_id
    assert vocabulary.merges == []


def test_accents_go_with_the_case_where_nothing_is_said(classifier):
    model, tokenizer = classifier("bert")
    for lowercase, strip_accents, expected in (
        (True, None, True), (False, None, False), (True, False, False), (False, True, True),
    ):  # fmt: skip
        tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(
            lowercase=lowercase, strip_accents=strip_accents
        )
        rules = vocabulary_of(tokenizer, model.args.vocab_size).rules
        assert (rules["lowercase"], rules["strip_accents"]) == (lowercase, expected)


def test_byte_pairs_come_with_their_merges():
    tokenizer = byte_pairs()
    vocabulary = vocabulary_of(tokenizer, len(tokenizer))
    first = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"][0]
    assert vocabulary.merges[0] == " ".join(first) and len(vocabulary.merges) > 100
    assert vocabulary.rules["kind"] == "byte_pair"
    mask = vocabulary.rules["added_tokens"][-1]
    assert mask == {
        "id": tokenizer.mask_token_id,
        "content": "<mask>",
        "single_word": False,
        "lstrip": True,
        "rstrip": False,
        "normalized": False,
        "special": True,
        "in_model": True,
    }


def test_all_added_tokens_are_in_the_rules():
    tokenizer = word_pieces()
    tokenizer.add_tokens(ALL_KINDS)
    found = vocabulary_of(tokenizer, len(tokenizer)).rules["added_tokens"]
    assert [token["content"] for token in found[:5]] == SPECIAL
    ids = tokenizer.get_vocab()
    told = {token.content: token for token in ALL_KINDS} | dict.fromkeys(SPECIAL)
    assert {token["content"] for token in found} == set(told)
    for token in found:
        assert token["id"] == ids[token["content"]]
        if added := told[token["content"]]:
            assert all(token[flag] == getattr(added, flag) for flag in FLAGS)
    in_model = [token["content"] for token in found if token["in_model"]]
    assert set(in_model) == {*SPECIAL, "profit", "##s", "株"}


def test_rows_that_no_token_reaches():
    tokenizer = word_pieces()
    size = len(tokenizer)
    assert len(vocabulary_of(tokenizer, size + 64).tokens) == size
    tokenizer.add_tokens(["new", "newer"])
    words = rf"token 'newer' has the id {size + 1}, but the model's embedding has {size + 1:,} rows"
    with pytest.raises(InputError, match=words):
        vocabulary_of(tokenizer, size + 1)


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (["EBITDA", "ebitda"], "'ebitda' is the same as 'EBITDA' after normalization"),
        (["\u00ad"], r"is empty after normalization"),
    ],
)
def test_added_tokens_that_no_app_could_tell_apart_are_refused(added, words):
    tokenizer = word_pieces()
    tokenizer.add_tokens(added)
    with pytest.raises(InputError, match=words):
        vocabulary_of(tokenizer, len(tokenizer))


def test_rules_of_byte_pairs_that_an_app_could_not_be_told_are_refused():
    for name, value in (("dropout", 0.5), ("byte_fallback", True), ("ignore_merges", True)):
        tokenizer = byte_pairs()
        setattr(tokenizer.backend_tokenizer.model, name, value)
        with pytest.raises(InputError, match=f"the tokenizer's {name} is not RoBERTa's"):
            vocabulary_of(tokenizer, len(tokenizer))
    tokenizer = byte_pairs()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(use_regex=False)
    with pytest.raises(InputError, match="the tokenizer's use_regex is not RoBERTa's"):
        vocabulary_of(tokenizer, len(tokenizer))
    tokenizer = byte_pairs()
    tokenizer.split_special_tokens = True
    with pytest.raises(InputError, match="split_special_tokens is on"):
        vocabulary_of(tokenizer, len(tokenizer))


@pytest.mark.parametrize(
    ("family", "part", "value", "words"),
    [
        ("bert", "normalizer", normalizers.Lowercase(), "normalizer is Lowercase, not BertNorm"),
        ("bert", "pre_tokenizer", pre_tokenizers.Whitespace(), "pre_tokenizer is Whitespace"),
        ("roberta", "normalizer", normalizers.NFC(), "normalizer is NFC, not None"),
        ("roberta", "pre_tokenizer", pre_tokenizers.Metaspace(), "pre_tokenizer is Metaspace"),
    ],
)
def test_rules_that_an_app_could_not_be_told_are_refused(classifier, family, part, value, words):
    model, tokenizer = classifier(family)
    setattr(tokenizer.backend_tokenizer, part, value)
    with pytest.raises(InputError, match=words):
        vocabulary_of(tokenizer, model.args.vocab_size)


def test_a_tokenizer_that_adds_no_special_tokens_is_refused(classifier):
    model, tokenizer = classifier("bert")
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    with pytest.raises(InputError, match="does not put its cls and sep tokens around a text"):
        vocabulary_of(tokenizer, model.args.vocab_size)
