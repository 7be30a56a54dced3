"""Cross-validation with a small model: one run per fold, and a summary."""

import json
import os
import signal

import numpy as np
import pytest

from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.data.folds import make_folds
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.sources import load_texts
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.evaluation.evaluate import run as evaluate
from mlx_finbert.train import main
from mlx_finbert.training.run_folder import RunFolder

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
    argv += ["--folds", "3", "--epochs", "1", "--batch-size", "8", "--save-epochs", "0"]
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
    report = RunFolder.report

    def pressing(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return report(*arguments)

    monkeypatch.setattr(RunFolder, "report", pressing)
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
