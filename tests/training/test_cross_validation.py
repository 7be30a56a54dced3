"""Cross-validation: its figures, and runs of a small model with one subfolder per fold."""

import json
import os
import signal

import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.data.folds import make_folds
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.sources import load_texts
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.evaluation.evaluate import run as evaluate
from mlx_finbert.evaluation.metrics import bootstrap_intervals, measure
from mlx_finbert.train import main
from mlx_finbert.training import finish
from mlx_finbert.training.cross_validation import cross_validate, spread

LABELS = ["down", "flat", "up"]


@pytest.fixture
def data():
    labels = np.random.default_rng(0).integers(0, 3, 61).astype(np.int32)
    return LabelledTexts(["x" * (i + 1) for i in range(61)], labels, LABELS, "made")


def logits_of(texts):
    """Logits that depend only on the length of each text, so that rows can be told apart."""
    rows = [np.random.default_rng(len(text)).normal(size=3) for text in texts]
    return np.array(rows, dtype=np.float32)


def train_one(fold, parts):
    return logits_of(parts.test.texts), parts.test.label_ids


def test_predictions_come_together_in_the_order_of_the_source(data):
    splits = make_folds(data, 4)
    found = cross_validate(splits, train_one)
    np.testing.assert_array_equal(found.rows, np.arange(61))
    np.testing.assert_array_equal(found.label_ids, data.label_ids)
    np.testing.assert_array_equal(found.logits, logits_of(data.texts))
    assert found.logits.dtype == np.float32
    for number, fold in enumerate(splits):
        np.testing.assert_array_equal(np.flatnonzero(found.fold_of_row == number), fold.test_rows)


def test_figures(data):
    splits = make_folds(data, 4)
    found = cross_validate(splits, train_one)
    folds = [measure(*train_one(i, fold)) for i, fold in enumerate(splits)]
    figures = json.loads(json.dumps(found.to_dict(LABELS), allow_nan=False))
    for name in ("loss", "accuracy", "macro_f1"):
        values = [getattr(fold, name) for fold in folds]
        assert figures["mean"][name] == pytest.approx(np.mean(values))
        squares = np.sum((values - np.mean(values)) ** 2)
        assert figures["std"][name] == pytest.approx(np.sqrt(squares / 3))
        assert [fold[name] for fold in figures["folds"]] == pytest.approx(values)
    pooled = measure(logits_of(data.texts), data.label_ids)
    assert figures["pooled"]["accuracy"] == pooled.accuracy
    assert figures["pooled"]["labels"].keys() == set(LABELS)
    expected = bootstrap_intervals(pooled)["macro_f1"]
    assert figures["pooled"]["intervals_95"]["macro_f1"] == expected.tolist()


def test_each_fold_is_trained_once_in_order(data):
    seen = []

    def watched(fold, parts):
        seen.append((fold, parts))
        return train_one(fold, parts)

    splits = make_folds(data, 4)
    cross_validate(splits, watched)
    assert seen == list(enumerate(splits))


def test_the_table(data):
    found = cross_validate(make_folds(data, 4), train_one)
    lines = str(found).splitlines()
    assert lines[0].split() == ["fold", "rows", "loss", "accuracy", "macro_f1"]
    assert [line.split()[0] for line in lines[1:7]] == ["1", "2", "3", "4", "mean", "std"]
    assert lines[1].split()[3] == f"{found.folds[0].accuracy:.4f}"
    assert lines[5].split()[2] == f"{spread(found.folds)['mean']['accuracy']:.4f}"
    low, high = found.intervals["accuracy"]
    assert f"accuracy   {found.pooled.accuracy:.4f}  {low:.4f} to {high:.4f}" in lines


def test_predictions_for_other_rows_are_refused(data):
    with pytest.raises(ValueError, match="fold 0: 2 rows of logits and 2 labels for 16 test rows"):
        cross_validate(make_folds(data, 4), lambda *_: (np.zeros((2, 3)), np.zeros(2, int)))


WORDS = "profit loss sales orders margin dividend guidance outlook".split()


@pytest.fixture
def table(tmp_path):
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    rows = [
        f"{a} {b} {verb} in year {i}{j},{label}"
        for i, a in enumerate(WORDS[:4])
        for j, b in enumerate(WORDS[4:])
        for label, verb in verbs.items()
    ]
    path = tmp_path / "news.csv"
    path.write_text("\n".join(["text,label", *rows]))
    return path


@pytest.mark.slow
def test_a_run_a_fold_and_a_summary(checkpoint, table, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", str(out)]
    argv += ["--folds", "3", "--num-train-epochs", "1", "--batch-size", "8", "--save-epochs", "0"]
    assert main(argv) == 0
    summary = json.loads((out / "cross_validation.json").read_text())
    accuracies = [fold["accuracy"] for fold in summary["folds"]]
    assert summary["mean"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert summary["std"]["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert np.sum(summary["pooled"]["confusion"]) == 48
    assert "all 48 test rows together" in capsys.readouterr().out
    # Evaluating a fold's folder uses the test rows of this fold.
    for i, fold in enumerate(summary["folds"], 1):
        folder = out / f"fold-{i:02d}"
        found = evaluate(EvaluateSettings(model=str(folder), data=str(table)))
        assert found.metrics.accuracy == pytest.approx(fold["accuracy"])
        assert found.metrics.loss == pytest.approx(fold["loss"], abs=1e-5)
    assert main(argv) == 2
    assert "holds cross_validation.json already" in capsys.readouterr().err


def test_ctrl_c_while_a_fold_is_measured_ends_without_a_summary(
    checkpoint, table, tmp_path, capsys, monkeypatch
):
    sampled = Loader.sampled

    def pressing(loader):
        os.kill(os.getpid(), signal.SIGINT)
        return sampled(loader)

    monkeypatch.setattr(Loader, "sampled", pressing)
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", str(tmp_path / "o")]
    assert main([*argv, "--folds", "3", "--max-steps", "1", "--batch-size", "2"]) == 130
    assert "fold 1 of 3 was interrupted: no summary" in capsys.readouterr().out
    assert not (tmp_path / "o" / "cross_validation.json").exists()


def test_ctrl_c_while_the_report_of_a_fold_is_written_ends_the_folds(
    checkpoint, table, tmp_path, capsys, monkeypatch
):
    report = finish.write_reports

    def pressing(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return report(*arguments)

    monkeypatch.setattr(finish, "write_reports", pressing)
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", str(tmp_path / "o")]
    assert main([*argv, "--folds", "3", "--max-steps", "1"]) == 130
    assert (tmp_path / "o" / "fold-01" / "metrics.json").exists()
    assert not (tmp_path / "o" / "fold-02").exists()


def test_one_fold_alone(table):
    texts = load_texts(str(table))
    alone = SplitSettings(folds=3, fold=2, split_seed=5).draw(texts)
    assert alone.test.texts == make_folds(texts, 3, 5)[1].test.texts


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--folds", "1"], "--folds is 1: at least 2"),
        (["--fold", "2"], "--fold has no effect without --folds"),
        (["--folds", "3", "--fold", "4"], "--fold is 4: from 1 to 3"),
        (["--folds", "3"], "has its own splits"),
    ],
)
def test_folds_that_cannot_be(flags, words, capsys):
    assert main(["--data", "sample", *flags]) == 2
    assert words in capsys.readouterr().err
