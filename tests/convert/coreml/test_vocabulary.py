"""The part of a tokenizer that an app gets."""

import json

import pytest
from tokenizers import normalizers, pre_tokenizers, processors

from mlx_finbert.convert.coreml.vocabulary import vocabulary_of
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


def test_byte_pairs_come_with_their_merges(classifier):
    model, tokenizer = classifier("roberta")
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    parts["model"]["merges"] = [["p", "r"], ["o", "f"]]

    class Backend:
        def to_str(self):
            return json.dumps(parts)

    class Tokenizer:
        backend_tokenizer = Backend()

        def __call__(self, text):
            return tokenizer(text)

        def __getattr__(self, name):
            return getattr(tokenizer, name)

    vocabulary = vocabulary_of(Tokenizer(), model.args.vocab_size)
    assert vocabulary.merges == ["p r", "o f"]
    assert vocabulary.rules["kind"] == "byte_pair"


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
