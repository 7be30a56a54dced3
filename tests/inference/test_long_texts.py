"""Texts over the model's most: cut and counted, or read in windows."""

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.inference import Predictor, read_documents
from mlx_finbert.predict import main

SHORT = ["profit rose", "", "sales fell by year"]
WORDS = "profit loss sales rose fell year million euro orders weak".split() * 2


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "roberta"])
def test_short_texts_are_the_same_in_both_ways(checkpoint, model_type):
    model, tokenizer = mlx_finbert.load(checkpoint(model_type))
    cut = mlx_finbert.predict_proba(model, tokenizer, SHORT)
    windows = mlx_finbert.predict_proba(model, tokenizer, SHORT, long_texts="windows")
    np.testing.assert_array_equal(cut, windows)


def test_windows_are_averaged_by_their_new_tokens(tiny):
    predictor = Predictor(*tiny, max_length=12, long_texts="windows", window_overlap=4)
    found = predictor([" ".join(WORDS), "profit rose"])
    # 20 words, windows of 10: 0 to 10, 6 to 16, and the last ten.
    windows = [" ".join(WORDS[start : start + 10]) for start in (0, 6, 10)]
    parts = mlx_finbert.predict_proba(*tiny, windows)
    np.testing.assert_allclose(found[0], [0.5, 0.3, 0.2] @ parts, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert predictor.num_long == 1


def test_what_stands_beyond_the_cut_counts_in_windows_alone(tiny):
    texts = ["year " * 38 + end for end in ("profit", "loss weak cut")]
    cut, windows = (
        mlx_finbert.predict_proba(*tiny, texts, long_texts=how) for how in ("cut", "windows")
    )
    np.testing.assert_array_equal(cut[0], cut[1])
    assert np.abs(windows[0] - windows[1]).max() > 1e-4


def test_long_sentences_are_treated_the_same(tiny):
    predictor = Predictor(*tiny, max_length=12, long_texts="windows")
    (document,) = read_documents(predictor, [f"profit rose. {' '.join(WORDS)}"])
    assert len(document.sentences) == 2 and predictor.num_long == 1
    expected = mlx_finbert.predict_proba(*tiny, document.sentences, 32, 12, "windows")
    np.testing.assert_allclose(document.probabilities, expected, atol=1e-6)


def test_wrong_options(tiny):
    for options, words in (
        ({"window_overlap": 4}, "`window_overlap` is 4.*add `long_texts=windows`"),
        ({"window_overlap": 38, "long_texts": "windows"}, "from 0 to 37 for windows of 40"),
        ({"window_overlap": -1, "long_texts": "windows"}, "from 0"),
        ({"long_texts": "drop"}, "cut or windows"),
    ):
        with pytest.raises(InputError, match=words):
            Predictor(*tiny, **options)
    for max_length in (3, 4, 5):
        mlx_finbert.predict_proba(*tiny, [" ".join(WORDS)], 32, max_length, "windows")


@pytest.mark.parametrize(("flag", "what"), [("cut", "cut"), ("windows", "read in windows")])
def test_the_command_says_what_became_of_them(checkpoint, capsys, flag, what):
    argv = ["--model", str(checkpoint()), "--max-length", "8", "--long-texts", flag]
    assert main([*argv, "profit rose", " ".join(WORDS)]) == 0
    assert f"1 texts are over 8 tokens and were {what}" in capsys.readouterr().out
