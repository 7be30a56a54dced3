"""`evaluate --output`: what its folder holds, and when it is refused."""

import csv
import json
import os
import signal

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.data.loader import Loader
from mlx_finbert.evaluate import main
from mlx_finbert.files import folder_commit
from mlx_finbert.report import evaluation_folder
from mlx_finbert.report.evaluation_folder import WRITTEN

TEXTS = [f"profit {verb} by {i} percent" for i in range(10) for verb in ("rose", "fell")]
LABELS = ["negative", "neutral", "positive"]

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def news(tmp_path):
    """A file whose columns have names of ours, and one of which is empty."""
    path = tmp_path / "news.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["score", "text", "id", "label"])
        writer.writerows((f"s{i}", text, "", LABELS[i % 3]) for i, text in enumerate(TEXTS))
    return path


@pytest.fixture
def evaluated(checkpoint, news, tmp_path):
    """Factory: evaluate all rows into a folder; returns the exit status."""
    folder = checkpoint()

    def run(*words, out="out", data=news):
        argv = ["--model", str(folder), "--data", str(data), "--output", str(tmp_path / out)]
        return main([*argv, *words])

    run.model = folder
    return run


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_hold_what_is_printed(evaluated, tmp_path, capsys):
    assert evaluated("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == set(WRITTEN) - {"curves.png"}
    assert json.loads((out / "metrics.json").read_text()) == printed
    found = rows_of(out / "predictions.csv")
    assert [row["text"] for row in found] == TEXTS
    columns = ["row", "data_score", "id", "true_label", "predicted_label"]
    columns += [*(f"probability_{label}" for label in LABELS), "score", "text"]
    assert list(found[0]) == columns
    expected = mlx_finbert.predict_proba(*mlx_finbert.load(evaluated.model), TEXTS)
    for i, (row, probabilities) in enumerate(zip(found, expected, strict=True)):
        assert (row["row"], row["data_score"], row["id"]) == (str(i + 1), f"s{i}", "")
        assert row["true_label"] == LABELS[i % 3]
        assert row["predicted_label"] == LABELS[probabilities.argmax()]
        got = [float(row[f"probability_{label}"]) for label in LABELS]
        np.testing.assert_allclose(got, probabilities, atol=1e-5)
        assert float(row["score"]) == pytest.approx(probabilities[2] - probabilities[0], abs=1e-5)
    wrong = {row["row"] for row in found if row["true_label"] != row["predicted_label"]}
    assert {row["row"] for row in rows_of(out / "mistakes.csv")} == wrong
    assert len(wrong) == round((1 - printed["accuracy"]) * len(TEXTS))


def test_the_page_is_that_of_an_evaluation(evaluated, tmp_path):
    assert evaluated("--max-length", "8") == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<h1>out</h1>" in page and "news.csv: all 20 rows" in page
    assert "20 labelled rows, with 95% bootstrap intervals" in page
    assert "Most confident mistakes" in page and "max_length" in page
    # The model may well be calibrated, by the run that trained it.
    assert "No temperature scaling" not in page and "Training values" not in page
    assert "MISSING" not in page and "it could not be checked whether" in page


def test_an_evaluation_replaces_an_earlier_one_as_a_whole(evaluated, news, tmp_path):
    assert evaluated() == 0
    out = tmp_path / "out"
    (out / "curves.png").touch()
    before = (out / "predictions.csv").read_bytes()
    news.write_text("text,label\nprofit rose,positive\nprofit fell,negative\n")
    assert evaluated() == 0
    assert (out / "predictions.csv").read_bytes() != before
    assert len(rows_of(out / "predictions.csv")) == 2
    assert {path.name for path in out.iterdir()} == set(WRITTEN) - {"curves.png"}


def test_an_evaluation_that_fails_leaves_the_earlier_one(evaluated, tmp_path, monkeypatch):
    assert evaluated() == 0
    out = tmp_path / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(report):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(evaluation_folder, "predictions_table", full)
        assert evaluated("--max-length", "4") == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    # A kill between the files is completed by the next evaluation.
    with monkeypatch.context() as patch:
        patch.setattr(folder_commit, "_put", lambda new, place: full(None))
        assert evaluated("--max-length", "4") == 2
    assert (out / ".committed").is_dir()
    folder_commit.finish(out)
    assert {path.name for path in out.iterdir()} == set(before)
    assert (out / "predictions.csv").read_bytes() != before["predictions.csv"]


def test_a_folder_with_something_else_is_refused(evaluated, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    (out / "metrics.json").write_text("of a run")
    assert evaluated() == 2
    out_text, err = capsys.readouterr()
    assert out_text == "" and err.startswith(f"error: --output {out} holds thesis.txt, which")
    assert "add --overwrite" in err and (out / "metrics.json").read_text() == "of a run"
    assert evaluated("--overwrite") == 0
    assert (out / "thesis.txt").read_text() == "mine"
    assert json.loads((out / "metrics.json").read_text())["rows"] == 20


def test_the_model_and_the_data_are_never_replaced(evaluated, tmp_path, capsys):
    assert evaluated("--overwrite", out=evaluated.model.name) == 2
    assert "is the folder of the --model: name another folder" in capsys.readouterr().err
    assert evaluated() == 0
    columns = "--label-column", "true_label"
    assert evaluated(*columns, data=tmp_path / "out" / "predictions.csv") == 2
    assert "holds the --data predictions.csv" in capsys.readouterr().err
    assert len(rows_of(tmp_path / "out" / "predictions.csv")) == 20


def test_ctrl_c_leaves_the_rows_that_are_ready(evaluated, tmp_path, capsys, monkeypatch):
    sampled = Loader.sampled

    def interrupted(loader):
        for number, batch in enumerate(sampled(loader)):
            if number == 1:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    monkeypatch.setattr(Loader, "sampled", interrupted)
    assert evaluated("--batch-size", "2", "--json") == 130
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert 0 < rows < 20
    assert len(rows_of(tmp_path / "out" / "predictions.csv")) == rows
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"Ctrl-C: {rows} of 20 labelled rows were measured, a random sample." in page


def test_bad_input_leaves_no_folder(evaluated, tmp_path, capsys):
    assert evaluated(data=tmp_path / "missing.csv") == 2
    assert not (tmp_path / "out").exists()
    assert main(["--model", str(evaluated.model), "--data", "sample", "--overwrite"]) == 2
    assert "--overwrite has no effect without --output" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert evaluated(out="file") == 2
    assert "is not a folder" in capsys.readouterr().err
