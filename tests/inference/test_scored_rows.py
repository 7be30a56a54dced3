"""The score: the expected value on a scale that is known by name."""

import csv

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.inference import Document, Predictor
from mlx_finbert.inference import score_file as scoring
from mlx_finbert.inference.parts import Parts
from mlx_finbert.inference.score_file import size_in_part
from mlx_finbert.inference.scored_rows import (
    scale_positions,
    scored_texts,
    sentiment_scores,
    text_columns,
)
from mlx_finbert.predict import main

FIVE = ["very negative", "negative", "neutral", "positive", "very positive"]
SKEWED = np.array([[0.02, 0.05, 0.05, 0.03, 0.85]], np.float32)


def test_the_score_of_five_labels_is_their_expected_value():
    expected = -0.02 - 0.5 * 0.05 + 0.5 * 0.03 + 0.85  # 0.82; P(positive) - P(negative) is -0.02
    assert sentiment_scores(SKEWED, FIVE) == pytest.approx(expected, abs=1e-7)
    shuffled = [3, 0, 4, 2, 1]
    found = sentiment_scores(SKEWED[:, shuffled], [FIVE[i] for i in shuffled])
    assert found == pytest.approx(expected, abs=1e-7)
    document = Document(["Up."], SKEWED, FIVE)
    assert document.columns()["score"] == document.columns()["score_max"] == 0.82
    assert document.strongest == ("Up.", None)


def test_the_score_of_three_labels_is_the_difference_bit_for_bit():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 1000).astype(np.float32)
    for labels, negative, positive in (
        (["Bearish", "neu", "BULLISH"], 0, 2),
        (["positive", "negative", "neutral"], 1, 0),
        (["neutral", "pos", "neg"], 2, 1),
    ):
        wide = probabilities.astype(np.float64)
        expected = wide[:, positive] - wide[:, negative]
        np.testing.assert_array_equal(sentiment_scores(probabilities, labels), expected)


@pytest.mark.parametrize(
    ("labels", "positions"),
    [
        ("positive,negative", [1, -1]),
        ("neg,pos", [-1, 1]),
        ("bullish,bearish,neutral", [1, -1, 0]),
        ("Strongly_Negative,NEGATIVE,Neutral,Positive,strongly-positive", [-1, -0.5, 0, 0.5, 1]),
        ("Extremely Negative,Extremely Positive,Negative,Neutral,Positive", [-1, 1, -0.5, 0, 0.5]),
        ("very negative,negative,positive,very positive", [-1, -1 / 3, 1 / 3, 1]),
        ("negative,somewhat negative,neutral,somewhat positive,positive", [-1, -0.5, 0, 0.5, 1]),
        ("very bullish,bullish,neutral,bearish,very bearish", [1, 0.5, 0, -0.5, -1]),
        ("1 star,2 stars,3 stars,4 stars,5 stars", [-1, -0.5, 0, 0.5, 1]),
        ("5 Stars,4_stars,3-stars,2 star,1 star", [1, 0.5, 0, -0.5, -1]),
        ("strong sell,sell,hold,buy,strong buy", [-1, -0.5, 0, 0.5, 1]),
        ("buy,hold,sell", [1, 0, -1]),
    ],
)
def test_scales_that_are_known_by_name(labels, positions):
    np.testing.assert_allclose(scale_positions(tuple(labels.split(","))), positions, atol=1e-12)


@pytest.mark.parametrize(
    "labels",
    [
        "positive,negative,neutral,mixed",
        "positive,negative,conflict",
        "positive,negative,irrelevant",
        "positive,neutral",
        "negative,neutral,positive,very positive",
        "very positive,positive,extremely positive,very negative,negative,extremely negative",
        "very negative,negative,very neutral,positive,very positive",
        "1 star,2 stars,3 stars",
        "0 stars,1 star,2 stars,3 stars,4 stars",
        "1,2,3,4,5",
        "LABEL_0,LABEL_1,LABEL_2",
        "joy,anger",
        "very,star",
    ],
)
def test_other_labels_have_no_score(labels):
    assert scale_positions(tuple(labels.split(","))) is None


def scored(checkpoint, tmp_path, labels, **options):
    predictor = Predictor(*mlx_finbert.load(checkpoint(labels=labels)))
    (tmp_path / "in.txt").write_text("Profit rose. Sales fell.\n")
    target = tmp_path / "out.csv"
    scoring.score_file(predictor, tmp_path / "in.txt", target, **options)
    with open(target, newline="", encoding="utf-8") as file:
        return next(csv.DictReader(file))


@pytest.mark.parametrize("by_sentence", [False, True])
def test_files_of_a_model_with_five_labels(checkpoint, tmp_path, by_sentence):
    row = scored(checkpoint, tmp_path, FIVE, by_sentence=by_sentence)
    positions = dict(zip(FIVE, np.linspace(-1, 1, 5), strict=True))
    expected = sum(positions[label] * float(row[f"probability_{label}"]) for label in FIVE)
    assert float(row["score"]) == pytest.approx(expected, abs=1e-5)
    assert ("score_min" in row) == by_sentence


@pytest.mark.parametrize("by_sentence", [False, True])
def test_a_mixed_label_makes_every_score_go(checkpoint, tmp_path, capsys, by_sentence):
    labels = ["negative", "neutral", "positive", "mixed"]
    row = scored(checkpoint, tmp_path, labels, by_sentence=by_sentence)
    assert not [name for name in row if "score" in name or "strongest" in name]
    flags = ["--model", str(tmp_path / "tiny"), "--by-sentence"]
    assert main([*flags, "Profit rose."]) == 0
    said = capsys.readouterr().out
    assert "  score " not in said and "strongest" not in said
    assert "no score: the labels negative, neutral, positive, mixed are not a known scale" in said
    files = ["--input", str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.jsonl")]
    assert main([*flags, *files]) == 0
    assert "no score: the labels negative" in capsys.readouterr().out


def test_the_size_of_a_part_is_foreseen(tmp_path):
    labels = ["negative", "neutral", "positive"]
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 1000)
    part = Parts(tmp_path, 1000, {})
    part.write(0, scored_texts(["a text"] * 1000, probabilities, labels), 0)
    foreseen = 1000 * size_in_part(text_columns(labels))
    assert 0.95 < foreseen / part.path(0).stat().st_size < 1.05
