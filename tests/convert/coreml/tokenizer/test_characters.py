"""Each of the 1,112,064 Unicode scalars is treated as by the installed `tokenizers`."""

import pytest
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers_under_test import byte_pairs, differing

from mlx_finbert.convert.coreml.tokenizer.rebuilt import BERT_WORD, WordPieces

SCALARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


@pytest.mark.slow
@pytest.mark.parametrize("uncased", [True, False])
def test_every_scalar_in_word_pieces(uncased):
    rules = {
        "clean_text": True,
        "handle_chinese_chars": True,
        "lowercase": uncased,
        "strip_accents": uncased,
    }
    normalizer, words = BertNormalizer(**rules), BertPreTokenizer()
    special = {"special_tokens": {"unk": {"id": 0}}, "continuing_subword_prefix": "##"}
    rebuilt = WordPieces({}, rules | special)
    for c in SCALARS:
        text = f"a{c}b {c} A{c}\u0301\u0323c"
        normalized = normalizer.normalize_str(text)
        assert rebuilt.normalize(text) == normalized, hex(ord(c))
        expected = [word for word, _ in words.pre_tokenize_str(normalized)]
        assert BERT_WORD.findall(normalized) == expected, hex(ord(c))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 0x110000, 0x44000))
def test_every_scalar_in_byte_pairs(start):
    texts = [f"a{c}1{c} {c}!{c}<mask>" for c in SCALARS[start : start + 0x44000]]
    assert differing(byte_pairs(), texts) == []
