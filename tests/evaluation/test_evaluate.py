"""`python -m mlx_finbert.evaluate`."""

import json
import os
import re
import signal

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.into_model import fold_temperature
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.loader import Loader
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main
from mlx_finbert.evaluation.evaluate import evaluate

TEXTS = [f"profit {verb} by {i} percent" for i in range(30) for verb in ("rose", "fell")]


def rows_of(labels, names):
    return LabelledTexts(TEXTS, np.array(labels, np.int32), names, "made")


def test_figures_are_those_of_the_predictions(tiny):
    model, tokenizer = tiny
    labels = np.random.default_rng(0).integers(0, 3, 60)
    fold_temperature(model, 0.1)
    found = evaluate(model, tokenizer, rows_of(labels, model.args.labels))
    probabilities = mlx_finbert.predict_proba(model, tokenizer, TEXTS)
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


def answering(folder, bias):
    """The model of a folder with another bias in its head; returns its labels for TEXTS."""
    weights = mx.load(str(folder / "model.safetensors"))
    weights["classifier.bias"] = mx.array(bias)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    model, tokenizer = mlx_finbert.load(folder)
    probabilities = mlx_finbert.predict_proba(model, tokenizer, TEXTS)
    return [model.args.labels[i] for i in probabilities.argmax(axis=1)]


@pytest.fixture
def two_answers(checkpoint):
    """A model that answers with two of its three labels, and its answers to TEXTS."""
    folder = checkpoint()
    answering(folder, [0.0, -50.0, 0.0])
    probabilities = mlx_finbert.predict_proba(*mlx_finbert.load(folder), TEXTS)
    shift = float(np.median(np.log(probabilities[:, 0] / probabilities[:, 2])))
    answers = answering(folder, [0.0, -50.0, shift])
    assert set(answers) == {"negative", "positive"}
    return folder, answers


@pytest.fixture
def table(tmp_path):
    """Factory of a file of TEXTS with these labels."""

    def make(labels):
        path = tmp_path / "news.csv"
        rows = [f"{text},{label}" for text, label in zip(TEXTS, labels, strict=True)]
        path.write_text("\n".join(["text,label", *rows]))
        return path

    return make


def evaluated(folder, path, capsys, *more, status=0):
    """What the command prints for all rows of a file, as JSON and as text."""
    argv = ["--model", str(folder), "--data", str(path), "--split", "all", *more]
    argv += ["--labels", "negative,neutral,positive"]
    assert main([*argv, "--json"]) == status
    figures = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert main(argv) == status
    return figures, capsys.readouterr().out


def test_two_labels_of_three_that_are_all_right(two_answers, table, capsys):
    folder, answers = two_answers
    figures, text = evaluated(folder, table(answers), capsys)
    assert figures["accuracy"] == figures["macro_f1"] == 1.0
    nothing = {"precision": None, "recall": None, "f1": None, "support": 0}
    assert figures["labels"]["neutral"] == nothing
    assert figures["intervals_95"]["f1"][0][1] is None
    assert "macro_f1   1.0000  1.0000 to 1.0000\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("neutral   -")]
    assert line.split() == ["neutral", "-", "-", "-", "0"]
    assert "nan" not in text.split("95% interval")[1]
    assert not any("predicted as" in note for note in figures["notes"])


def test_a_precision_that_is_0_by_0_is_a_dash(two_answers, table, capsys):
    folder, answers = two_answers
    wrong = ["neutral", *answers[1:]]
    figures, text = evaluated(folder, table(wrong), capsys)
    assert figures["labels"]["neutral"] == {
        "precision": None, "recall": 0.0, "f1": 0.0, "support": 1,
    }  # fmt: skip
    assert "neutral   -                   0.000 (0.000-0.000) 0.000 (0.000-0.000) 1\n" in text
    # All three occur: 0 counts.
    assert figures["macro_f1"] < 0.7


def test_a_model_with_one_answer_is_told_so(checkpoint, table, capsys):
    folder = checkpoint()
    assert set(answering(folder, [0.0, 50.0, 0.0])) == {"neutral"}
    said = "every row was predicted as 'neutral': the model has learned nothing from the texts"
    figures, text = evaluated(folder, table(["negative", "neutral", "positive"] * 20), capsys)
    assert figures["notes"][-1] == said and text.rstrip().endswith(said)
    assert figures["macro_f1"] == pytest.approx(0.5 / 3)
    # Where all rows have one label, to answer it is no fault.
    figures, text = evaluated(folder, table(["neutral"] * 60), capsys)
    assert said not in text and figures["notes"][-1].startswith("every row is labelled 'neutral'")


def test_few_rows_are_said_to_be_few(two_answers, table, capsys):
    folder, answers = two_answers
    path = table(answers)
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    figures, text = evaluated(folder, path, capsys)
    assert figures["rows"] == 1 and "only 1 rows: the 95% intervals are narrower" in text


def test_logits_that_overflow_have_no_figures(checkpoint, table, capsys):
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    weights["bert.pooler.dense.bias"] += 9
    weights["classifier.weight"] = mx.full((3, 15), 3e38)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    argv = ["--model", str(folder), "--data", str(table(["negative", "positive"] * 30))]
    assert main([*argv, "--labels", "negative,neutral,positive", "--split", "all"]) == 2
    assert "not finite" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_prints_the_figures_of_what_is_ready(
    two_answers, table, capsys, as_json, monkeypatch
):
    folder, answers = two_answers
    sampled = Loader.sampled

    def interrupted(loader):
        for number, batch in enumerate(sampled(loader)):
            if number == 4:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    monkeypatch.setattr(Loader, "sampled", interrupted)
    argv = ["--model", str(folder), "--data", str(table(answers)), "--split", "all"]
    argv += ["--labels", "negative,neutral,positive", "--batch-size", "4"]
    assert main([*argv, *["--json"] * as_json]) == 130
    out = capsys.readouterr().out
    if as_json:
        figures = json.loads(out)
        assert figures["interrupted"] and figures["rows_in_all"] == 60
        assert 0 < figures["rows"] == np.sum(figures["confusion"]) <= 20
        assert figures["accuracy"] == 1
    else:
        said = r".*news\.csv: all 60 rows; Ctrl-C: \d+ of them were measured, a random sample"
        assert re.fullmatch(said, out.splitlines()[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_many_labels_print_their_largest_confusions(checkpoint, tmp_path, capsys):
    names = [f"label {i:02d}{' of a long name' * (i % 5)}" for i in range(77)]
    path = tmp_path / "many.csv"
    rows = [f"{text},{names[i % 77]}" for i, text in enumerate(TEXTS * 5)]
    path.write_text("\n".join(["text,label", *rows]))
    argv = ["--model", str(checkpoint(labels=names)), "--data", str(path), "--split", "all"]
    assert main([*argv, "--json"]) == 0
    confusion = np.array(json.loads(capsys.readouterr().out)["confusion"])
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    figures = lines[lines.index("") :]
    assert max(map(len, figures)) <= 110 and len(figures) < 110
    start = next(i for i, line in enumerate(lines) if line.startswith("largest confusions"))
    wrong = confusion - np.diag(np.diag(confusion))
    largest = sorted(wrong.ravel(), reverse=True)[:10]
    assert f"({sum(largest):,} of the {wrong.sum():,} wrong rows)" in lines[start]
    shown = [line.rpartition(": ") for line in lines[start + 1 :] if " -> " in line]
    assert [int(count) for *_, count in shown] == largest
    for pair, _, count in shown:
        true, predicted = (int(name.split()[1]) for name in pair.split(" -> "))
        assert wrong[true, predicted] == int(count)
    assert sum(line.startswith("label ") for line in lines) == 1 + 77 + 10


def test_a_matrix_that_is_wider_than_the_terminal_is_not_printed(
    checkpoint, tmp_path, capsys, monkeypatch
):
    names = [f"{letter} {'name of some length'}" for letter in "abcde"]
    path = tmp_path / "some.csv"
    path.write_text(
        "\n".join(["text,label", *(f"{t},{names[i % 5]}" for i, t in enumerate(TEXTS))])
    )
    argv = ["--model", str(checkpoint(labels=names)), "--data", str(path), "--split", "all"]
    found = {}
    for columns in ("100", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(argv) == 0
        found[columns] = "largest confusions" in capsys.readouterr().out
    assert found == {"100": True, "200": False}
