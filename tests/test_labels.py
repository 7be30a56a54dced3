import numpy as np
import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.labels import match_labels

PHRASEBANK = ["negative", "neutral", "positive"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (["positive", "negative", "neutral"], [1, 2, 0]),  # ProsusAI/finbert
        (["Neutral", "Positive", "Negative"], [2, 0, 1]),  # yiyanghkust/finbert-tone
        (["Bearish", "Bullish", "Neutral"], [0, 2, 1]),  # Twitter financial news
        (PHRASEBANK, [0, 1, 2]),
    ],
)
def test_labels_are_matched_by_name(model, expected):
    np.testing.assert_array_equal(match_labels(PHRASEBANK, model), expected)


@pytest.mark.parametrize(
    ("data", "model", "words"),
    [
        (PHRASEBANK, ["negative", "positive"], r"negative, neutral, positive.*negative, positive"),
        (["negative", "positive"], PHRASEBANK, "fresh head"),
        (PHRASEBANK, ["LABEL_0", "LABEL_1", "LABEL_2"], "--model-labels"),
        (["spam", "ham"], ["negative", "positive"], "spam, ham"),
    ],
)
def test_a_mismatch_lists_both(data, model, words):
    with pytest.raises(InputError, match=words):
        match_labels(data, model)
