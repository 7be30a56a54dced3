"""`mlx_finbert.predict` on lists of texts."""

import threading
from importlib.util import find_spec

import datasets
import mlx.core as mx
import numpy as np
import pandas as pd
import pytest

import mlx_finbert
from mlx_finbert.errors import InputError

pytestmark = pytest.mark.usefixtures("backend")

TEXTS = ["profit rose", "", "sales fell by 12 percent , said the company in the quarter", "x"] * 20


def one_by_one(model, tokenizer, texts):
    rows = []
    for text in texts:
        encoded = tokenizer(text, return_tensors="np")
        ids, mask = (mx.array(encoded[k]) for k in ("input_ids", "attention_mask"))
        rows.append(np.array(mx.softmax(model(ids, mask), axis=-1))[0])
    return np.stack(rows)


def test_probabilities_in_the_order_of_the_texts(tiny):
    model, tokenizer = tiny
    found = mlx_finbert.predict_proba(model, tokenizer, TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (80, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, one_by_one(model, tokenizer, TEXTS), atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 31, 33])
@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_any_count_and_batch_size(tiny, count, batch_size):
    texts = TEXTS[:count]
    found = mlx_finbert.predict_proba(*tiny, texts, batch_size=batch_size)
    assert found.shape == (count, 3)
    if count:
        np.testing.assert_allclose(found, mlx_finbert.predict_proba(*tiny, texts), atol=1e-6)


def test_a_predictor_sees_later_weights_and_counts_cut_texts(tiny):
    model, tokenizer = tiny
    predictor = mlx_finbert.Predictor(model, tokenizer, max_length=5)
    before = predictor(TEXTS)
    model.classifier.weight = model.classifier.weight + 1
    model.classifier.bias = mx.array([1.0, 0.0, 0.0])
    assert np.abs(predictor(TEXTS) - before).max() > 0.01
    assert predictor.num_long == 40


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(checkpoint, dtype):
    folder = checkpoint()
    found = mlx_finbert.predict_proba(*mlx_finbert.load(folder, dtype=dtype), TEXTS)
    expected = mlx_finbert.predict_proba(*mlx_finbert.load(folder), TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-2)


class Series:
    """A column as polars has it: no list, but it can become one."""

    def to_list(self):
        return TEXTS


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, object),
        lambda texts: pd.Series(texts, index=range(len(texts), 0, -1)),
        lambda texts: pd.Series(texts, dtype="category"),
        lambda texts: datasets.Dataset.from_dict({"text": texts})["text"],
        lambda texts: Series(),
    ],
)
def test_any_sequence_of_strings(tiny, make):
    expected = mlx_finbert.predict_proba(*tiny, TEXTS)
    np.testing.assert_array_equal(mlx_finbert.predict_proba(*tiny, make(TEXTS)), expected)


def test_by_sentence(tiny):
    texts = ("Profit rose by 5 % . Sales fell .", "", "The outlook is strong .")
    found = mlx_finbert.predict_proba(*tiny, texts, by_sentence=True)
    apart = mlx_finbert.predict_proba(*tiny, ["Profit rose by 5 % .", "Sales fell .", texts[2]])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], apart[:2].mean(axis=0), atol=1e-6)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], apart[2], atol=1e-6)


def test_by_sentence_in_windows(tiny):
    texts = [f"Profit rose . {'sales fell ' * 30}."]
    found, cut = (
        mlx_finbert.predict_proba(*tiny, texts, by_sentence=True, long_texts=way, max_length=12)
        for way in ("windows", "cut")
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert np.abs(found - cut).max() > 1e-6


def test_wrong_arguments(tiny):
    for texts, words in (
        ("one", "`texts` is a str: give a list"),
        ({"a"}, "`texts` is a set: give a list"),
        ((text for text in "ab"), "`texts` is a generator: give a list"),
        ({"text": ["a"]}, "`texts` is a dict: give a list"),
        (np.array("a"), "`texts` is a ndarray: give a list"),
        (np.array([["a"]]), r"texts\[0\] is \['a'\]"),
        (pd.DataFrame({"text": ["a"]}), "`texts` is a DataFrame: give one of its columns"),
        (datasets.Dataset.from_dict({"text": ["a"]}), "give one of its columns"),
        (pd.Series(["a", float("nan")]), r"texts\[1\] is nan, not a string"),
        (["a", None], r"texts\[1\] is None"),
        (["\ud83d"], "valid"),
    ):
        with pytest.raises(InputError, match=words):
            mlx_finbert.predict_proba(*tiny, texts)
    for options, words in (({"max_length": 41}, "from 3 to 40"), ({"batch_size": 0}, "at least 1")):
        with pytest.raises(InputError, match=words):
            mlx_finbert.predict_proba(*tiny, ["a"], **options)


def test_no_public_name_shadows_a_module():
    for name in mlx_finbert.__all__:
        assert find_spec(f"mlx_finbert.{name}") is None, name


def test_a_predictor_answers_in_other_threads_than_its_own(tiny):
    predictor = mlx_finbert.Predictor(*tiny)
    here, there = predictor(TEXTS), []

    def ask():
        there.append(predictor(TEXTS))

    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(there) == 2
    assert all(np.array_equal(found, here) for found in there)
