import subprocess

import numpy as np
import pytest

from mlx_finbert.cli.messages import with_flags
from mlx_finbert.errors import InputError
from mlx_finbert.labels import (
    label_map_of,
    map_key,
    match_labels,
    read_label_map,
    require_all_labels,
    shown,
)

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
        (["negative", "great"], PHRASEBANK, '`label_map="negative=negative,great=NAME"'),
        (["up", "down"], PHRASEBANK, "new head"),
        (PHRASEBANK, ["LABEL_0", "LABEL_1", "LABEL_2"], "`model_labels`"),
        (["spam", "ham"], ["negative", "positive"], "spam, ham"),
    ],
)
def test_a_mismatch_lists_both(data, model, words):
    with pytest.raises(InputError, match=words):
        match_labels(data, model)


def test_data_may_lack_labels_of_the_model():
    np.testing.assert_array_equal(match_labels(["pos", "neg"], PHRASEBANK), [2, 0])
    np.testing.assert_array_equal(match_labels(["1.0", "+2"], ["1", "2", "3"]), [0, 1])


def test_training_a_head_wants_all_its_labels():
    require_all_labels(["pos", "neg", "neu"], PHRASEBANK)
    with pytest.raises(
        InputError, match=r"no rows with the model's label neutral.*`new_head=True`.*`labels=nega"
    ):
        require_all_labels(["negative", "positive"], PHRASEBANK)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-1=negative,0=neutral", {"-1.0": "negative", "0.0": "neutral"}),
        (" Buy = up , strong buy=up,", {"buy": "up", "strong buy": "up"}),
        ('"a, b"=x,"c=d"="say ""e"""', {"a, b": "x", "c=d": 'say "e"'}),
        ("1=a,1.0=a", {"1.0": "a"}),
    ],
)
def test_a_label_map(text, expected):
    assert read_label_map(text) == expected
    assert list(read_label_map(text)) == list(expected)


@pytest.mark.parametrize("text", ["", "up", "=up", "up=", "a=b=c", "a=b,,c=d", "a=b;c=d", '"a=b'])
def test_what_is_no_label_map(text):
    with pytest.raises(InputError, match=r"`label_map` is .*-1=negative,0=neutral,1=positive"):
        read_label_map(text)


def test_a_value_with_two_names():
    with pytest.raises(InputError, match=r"`label_map` gives '1\.0' two names"):
        read_label_map("1=up,1.0=down")


def test_the_map_that_a_message_shows_can_be_typed():
    labels = ["-1", "a=b", 'buy, "hard"', '5" x', "$HOME", "a`b", "back\\slash", "1,5"]
    names = [f"n{i}" for i in range(len(labels))]
    typed = with_flags(label_map_of(labels, names), ["label_map"]).removeprefix("--label-map ")
    value = subprocess.run(
        ["sh", "-c", f"printf %s {typed}"], capture_output=True, text=True
    ).stdout
    assert read_label_map(value) == dict(zip(map(map_key, labels), names, strict=True))


def test_a_list_of_labels_is_short():
    long = "x" * 99_999
    assert shown(["buy", long]) == f"buy, {'x' * 50}..."
    assert label_map_of(["buy", long, "sell"]) == '`label_map="buy=NAME,sell=NAME,..."`'
    with pytest.raises(InputError) as error:
        match_labels([long, "a"], [f"{long}{i}" for i in range(20)])
    assert len(str(error.value)) < 2_000
