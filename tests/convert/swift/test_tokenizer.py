"""The tokenizer of the Swift package gives the ids of Hugging Face's, in every case."""

import itertools
import json
import struct
import subprocess
import unicodedata

import numpy as np
import pytest
from swift_tools import SCRIPT, build, run
from tokenizers import AddedToken, ByteLevelBPETokenizer
from tokenizers_under_test import (
    ALL_KINDS,
    SPECIAL,
    byte_pairs,
    metadata_of,
    texts_for,
    word_pieces,
)
from transformers import AutoTokenizer, BertTokenizer, RobertaTokenizer

from mlx_finbert.checkpoints.add_tokens import add_to_tokenizer
from mlx_finbert.convert.coreml.golden_texts import GOLDEN_TEXTS
from mlx_finbert.convert.coreml.tokenizer import random_texts
from mlx_finbert.convert.coreml.tokenizer.rebuilt import byte_letters
from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.columns import Columns

SCALARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]

RULE_SETS = {
    "uncased": {},
    "cased": {"lowercase": False, "strip_accents": False},
    "cased without accents": {"lowercase": False, "strip_accents": True},
    "accents kept": {"strip_accents": False},
    "no spaces around ideographs": {"handle_chinese_chars": False},
    "not cleaned": {"clean_text": False},
    "nothing": dict.fromkeys(
        ("lowercase", "strip_accents", "handle_chinese_chars", "clean_text"), False
    ),
}
REAL_LENGTH = 128
PRETRAINED = ["ebitda", "capex", "write-down", "ebit"]
"""Words of an `add_tokens` file; one begins another."""


@pytest.fixture(scope="module")
def executable():
    return build("tokenize")


@pytest.fixture
def swift_rows(executable, tmp_path):
    """Rows of ids from the Swift package, which gets the metadata of a tokenizer alone."""

    def encode(tokenizer, texts, *length):
        (tmp_path / "metadata.json").write_text(json.dumps(metadata_of(tokenizer)))
        arguments = [tmp_path / "metadata.json", *length]
        return rows_in(run(executable, *arguments, input=framed(texts)))

    return encode


@pytest.fixture
def assert_same(swift_rows):
    """Compare whole rows, and show the first text with other ids."""

    def compare(tokenizer, texts):
        expected = hugging_face_rows(tokenizer, texts)
        for text, ours, theirs in zip(texts, swift_rows(tokenizer, texts), expected, strict=True):
            assert ours == theirs, text

    return compare


def hugging_face_rows(tokenizer, texts, length=None):
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    if length:
        backend.enable_truncation(length)
    return [encoded.ids for encoded in backend.encode_batch_fast(texts)]


def framed(texts):
    """Texts as the executable reads them."""
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def rows_in(output):
    """Rows as the executable writes them."""
    values = np.frombuffer(output, "<i4")
    rows, start = [], 0
    while start < len(values):
        end = start + 1 + values[start]
        rows.append(values[start + 1 : end].tolist())
        start = end
    return rows


@pytest.mark.parametrize("rules", RULE_SETS)
def test_word_pieces(rules, assert_same):
    tokenizer = word_pieces(**RULE_SETS[rules])
    tokenizer.add_tokens(ALL_KINDS)
    assert_same(tokenizer, [*GOLDEN_TEXTS, *texts_for(tokenizer)])


@pytest.mark.parametrize("add_prefix_space", [True, False])
def test_byte_pairs(add_prefix_space, assert_same):
    tokenizer = byte_pairs(add_prefix_space=add_prefix_space)
    tokenizer.add_tokens(ALL_KINDS)
    assert_same(tokenizer, [*GOLDEN_TEXTS, *texts_for(tokenizer)])


@pytest.mark.parametrize("make", [word_pieces, byte_pairs])
def test_words_that_pretraining_added(make, assert_same):
    tokenizer = make()
    add_to_tokenizer(tokenizer, PRETRAINED, takes_space=make is byte_pairs)
    assert_same(tokenizer, [*GOLDEN_TEXTS, *texts_for(tokenizer), *texts_with(PRETRAINED)])


def texts_with(words):
    """Texts in which words are whole, parts of others, next to punctuation and in other case."""
    forms = "{}", "net {} rose", "{}s", "x{}", "{}_1", "({}), {}'s", " {}-{} ", "{}7", "\u00e9{}"
    for word in words:
        for form in forms:
            text = form.replace("{}", word)
            yield from (text, text.upper(), text.title())


@pytest.mark.parametrize("make", [word_pieces, byte_pairs])
def test_rows_are_cut(make, swift_rows):
    tokenizer = make()
    texts = [*GOLDEN_TEXTS, *texts_for(tokenizer)[:500]]
    whole = hugging_face_rows(tokenizer, texts)
    for length in (2, 3, 16):
        expected = hugging_face_rows(tokenizer, texts, length)
        assert swift_rows(tokenizer, texts, length) == expected == cut(whole, length)


def cut(rows, length):
    """Whole rows cut at a length."""
    return [row if len(row) <= length else [*row[: length - 1], row[-1]] for row in rows]


def test_words_of_any_length(assert_same):
    lengths = (63, 64, 65, 99, 100, 101, 129, 5000)
    words = [(c * n)[:n] for n in lengths for c in ("a", "é", "株", "profit", "-", " ", "1\u0301")]
    for tokenizer in (word_pieces(), byte_pairs()):
        assert_same(tokenizer, words)


def test_bad_metadata_are_one_sentence(executable, tmp_path):
    (tmp_path / "metadata.json").write_text("{}")
    command = [SCRIPT, "exec", executable, tmp_path / "metadata.json"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr == (
        "error: The model's metadata do not describe a tokenizer: there is no"
        " mlx_finbert.tokenizer. Export the model again.\n"
    )


FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@pytest.mark.slow
@pytest.mark.parametrize("make", [word_pieces, byte_pairs])
def test_added_tokens_with_every_combination_of_flags(make, assert_same):
    contents = ["EBITDA", "bit", "a b", "Été", "profit", "-", "\t", "##s"]
    between = ("", " ", "\u2003", "_", "é", "-")
    glued = ["EBITDA"[:n] + c + "EBITDA" for n in range(7) for c in between]
    for on in itertools.product([True, False], repeat=len(FLAGS)):
        tokenizer = make()
        flags = dict(zip(FLAGS, on, strict=True))
        tokenizer.add_tokens([AddedToken(content, **flags) for content in contents])
        assert_same(tokenizer, [*glued, *texts_for(tokenizer)[:500]])


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["uncased", "cased"])
def test_every_scalar_in_word_pieces(rules, assert_same):
    texts = [f"a{c}b {c} A{c}\u0301\u0323c" for c in SCALARS]
    assert_same(knows_every_character(**RULE_SETS[rules]), joined(texts))


def knows_every_character(**rules):
    """Makes of each assigned character a token of its own, so that its ids show its form."""
    known = [c for c in SCALARS if unicodedata.category(c) not in ("Cn", "Co", "Cc")]
    tokens = dict.fromkeys([*SPECIAL, *(form for c in known for form in (c, f"##{c}"))])
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    for name, value in rules.items():
        setattr(tokenizer.backend_tokenizer.normalizer, name, value)
    return tokenizer


@pytest.mark.slow
def test_every_scalar_in_byte_pairs(assert_same):
    texts = [f"a{c} 1{c} !{c}a {c}" for c in SCALARS]
    assert_same(merges_across_characters(), joined(texts))


def merges_across_characters():
    """Merges `a`, `1`, `!` and a space with the first byte after them, if no word ends there."""
    letters = byte_letters()
    merges = [(first, second) for first in ("a", "1", "!", letters[0x20]) for second in letters]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters, *map("".join, merges)]
    return RobertaTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)


def joined(texts):
    """Sixteen texts in one: the time is that of texts, not of characters."""
    return [" ".join(texts[i : i + 16]) for i in range(0, len(texts), 16)]


@pytest.mark.slow
def test_many_random_texts(assert_same, monkeypatch):
    monkeypatch.setattr(random_texts, "COUNT", 60_000)
    tokenizer = word_pieces()
    tokenizer.add_tokens(ALL_KINDS)
    texts = texts_for(tokenizer)
    assert len(texts) == 60_000
    assert_same(tokenizer, texts)
    tokenizer = byte_pairs()
    tokenizer.add_tokens(ALL_KINDS)
    assert_same(tokenizer, texts)
    for rules in RULE_SETS.values():
        tokenizer = word_pieces(**rules)
        tokenizer.add_tokens(ALL_KINDS)
        assert_same(tokenizer, texts[:20_000])


@pytest.fixture(scope="module")
def phrasebank(real_data):
    levels = ("50agree", "66agree", "75agree", "allagree")
    archive = real_data / "FinancialPhraseBank-v1.0.zip"
    return [text for level in levels for text in load_texts(f"{archive}:{level}").texts]


@pytest.fixture(scope="module")
def reviews(real_data):
    names = Columns(label_names=["negative", "positive"])
    return list(load_texts(str(real_data / "imdb-train.parquet"), names).texts)[:10_000]


@pytest.fixture(scope="module")
def real_word_pieces(minilm):
    return AutoTokenizer.from_pretrained(minilm)


@pytest.fixture(scope="module")
def real_byte_pairs(phrasebank):
    """RoBERTa's rules with merges of real texts."""
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(phrasebank, 20_000, min_frequency=2, special_tokens=special)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return RobertaTokenizer(vocab=model["vocab"], merges=merges, mask_token=mask)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["real_word_pieces", "real_byte_pairs"])
def test_real_texts(family, phrasebank, reviews, assert_same, swift_rows, request):
    tokenizer = request.getfixturevalue(family)
    assert len(phrasebank) > 14_000 and len(reviews) == 10_000
    assert_same(tokenizer, [*GOLDEN_TEXTS, *phrasebank])
    whole = hugging_face_rows(tokenizer, reviews)
    assert swift_rows(tokenizer, reviews) == whole
    assert swift_rows(tokenizer, reviews, REAL_LENGTH) == cut(whole, REAL_LENGTH)
