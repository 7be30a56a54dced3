"""`python -m mlx_finbert.evaluate`."""

import json

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.calibration import fold_temperature
from mlx_finbert.data import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main
from mlx_finbert.evaluation import evaluate

TEXTS = [f"profit {verb} by {i} percent" for i in range(30) for verb in ("rose", "fell")]


def rows_of(labels, names):
    return LabelledTexts(TEXTS, np.array(labels, np.int32), names, "made")


def test_figures_are_those_of_the_predictions(tiny):
    model, tokenizer = tiny
    labels = np.random.default_rng(0).integers(0, 3, 60)
    fold_temperature(model, 0.1)
    found = evaluate(model, tokenizer, rows_of(labels, model.args.labels))
    probabilities = mlx_finbert.predict(model, tokenizer, TEXTS)
    assert found.metrics.accuracy == pytest.approx((probabilities.argmax(axis=1) == labels).mean())
    expected = -np.log(probabilities[np.arange(60), labels]).mean()
    assert found.metrics.loss == pytest.approx(expected, abs=1e-5)
    low, high = found.intervals["accuracy"]
    assert low <= found.metrics.accuracy <= high


def test_a_recorded_temperature_counts(checkpoint, capsys):
    found = []
    for config in ({}, {"calibration_temperature": 2.0}):
        folder = checkpoint(name=f"with-{len(config)}", **config)
        assert main(["--model", str(folder), "--data", "sample", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    without, calibrated = found
    assert calibrated["accuracy"] == without["accuracy"] and calibrated["mcc"] == without["mcc"]
    for name in ("loss", "brier", "ece"):
        assert calibrated[name] != without[name], name


def test_labels_are_matched_by_name(tiny):
    model, tokenizer = tiny
    labels = np.random.default_rng(0).integers(0, 3, 60)
    one = evaluate(model, tokenizer, rows_of(labels, ["negative", "neutral", "positive"]))
    two = evaluate(model, tokenizer, rows_of(2 - labels, ["Bullish", "neutral", "NEG"]))
    assert one.metrics.to_dict(one.labels) == two.metrics.to_dict(two.labels)
    with pytest.raises(InputError, match="up, down"):
        evaluate(model, tokenizer, rows_of(labels % 2, ["up", "down"]))


def test_the_command_prints_text_and_json(checkpoint, capsys):
    argv = ["--model", str(checkpoint()), "--data", "sample"]
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert "95% interval" in text and "precision" in text
    assert "brier" in text and "  15 bins\n" in text
    assert main([*argv, "--json", "--split", "all"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["rows"] >= 600
    assert set(figures["labels"]) == {"negative", "neutral", "positive"}
    assert np.sum(figures["confusion"]) == figures["rows"]


def test_bad_input(checkpoint, capsys):
    assert main([]) == 2
    assert main(["--model", str(checkpoint()), "--split", "dev"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("error: ") for line in errors)
