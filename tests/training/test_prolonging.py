"""A finished run is not resumed, but its model is trained further by a new run."""

import json

import pytest
import yaml

from mlx_finbert.convert.fuse import main as fuse
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.train import main

SHORT = [
    "--num-train-epochs", "2", "--batch-size", "8", "--max-length", "16", "--learning-rate", "1e-2",
]  # fmt: skip


@pytest.fixture
def data(tmp_path, write_news):
    return ["--data", str(write_news(tmp_path / "news.csv", 20))]


@pytest.fixture
def finished(checkpoint, data, tmp_path, capsys):
    """Factory of finished runs."""

    def make(*more):
        out = tmp_path / "run"
        argv = ["--model", str(checkpoint()), "--output-dir", str(out), *data, *SHORT, *more]
        assert main(argv) == 0
        capsys.readouterr()
        return out

    return make


def rows_of(run):
    return json.loads((run / "metrics.json").read_text())["rows"]


def test_resuming_says_that_nothing_is_left_and_what_trains_on(finished, data, tmp_path, capsys):
    run = finished()
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    said = capsys.readouterr().out
    assert (
        f"all 12 steps of this run are done, so --resume-from-checkpoint only measures and reports"
        f" again; to train on, start a new run with --model {run} and the same data\n"
    ) in said
    longer = tmp_path / "longer"
    assert main(["--model", str(run), "--output-dir", str(longer), *data, *SHORT]) == 0
    said = capsys.readouterr().out
    assert "were left out" not in said and "cannot be checked" not in said
    assert rows_of(longer) == rows_of(run) > 0
    assert yaml.safe_load((longer / "config.yaml").read_text())["model"] == str(run)
    before, after = (SeenTexts.read(folder / "seen_texts.tsv") for folder in (run, longer))
    assert {row for row in after.rows if row[1] != "base"} == before.rows
    losses = [
        [record["val_loss"] for record in json.loads((folder / "history.json").read_text())]
        for folder in (run, longer)
    ]
    assert losses[1][-1] < losses[0][-1]


def test_the_length_of_a_run_to_resume_cannot_be_changed(finished, capsys):
    run = finished()
    for flag in ("--num-train-epochs", "--max-steps"):
        assert main(["--resume-from-checkpoint", str(run), flag, "9"]) == 2
        said = capsys.readouterr().err
        assert f"error: {flag} is 9: the run to resume has " in said
        assert said.endswith(
            "which cannot be changed; leave it out, and let the run finish; to train on, start a"
            f" new run with --model {run} and the same data\n"
        )
    assert main(["--resume-from-checkpoint", str(run), "--batch-size", "9"]) == 2
    assert capsys.readouterr().err.endswith("cannot be changed; leave it out\n")


def test_a_run_that_stopped_early(finished, capsys):
    stopping = ["--early-stopping-patience", "1", "--early-stopping-threshold", "10"]
    often = ["--save-steps", "1", "--eval-steps", "1"]
    run = finished("--metric-for-best-model", "val_loss", *often, *stopping)
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    said = capsys.readouterr().out
    assert "this run stopped early after step 2, so --resume-from-checkpoint only measures" in said


def test_a_run_without_checkpoints(finished, capsys):
    run = finished("--save-epochs", "0")
    assert main(["--resume-from-checkpoint", str(run)]) == 2
    assert capsys.readouterr().err == (
        f"error: --resume-from-checkpoint {run} holds a model, but no checkpoints; to train on,"
        f" start a new run with --model {run} and the same data\n"
    )


def test_adapters_are_fused_first(finished, data, tmp_path, capsys):
    run, fused = finished("--lora-rank", "2"), tmp_path / "fused"
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    assert (
        f"to train on, fuse the adapters with python -m mlx_finbert.convert.fuse --model {run}"
        " --output DIR, and start a new run with --model DIR and the same data\n"
    ) in capsys.readouterr().out
    assert fuse(["--model", str(run), "--output", str(fused)]) == 0
    argv = ["--model", str(fused), "--output-dir", str(tmp_path / "longer"), *data, *SHORT]
    assert main(argv) == 0


def test_a_run_that_is_not_finished_is_resumed_without_a_note(finished, capsys):
    run = finished("--save-steps", "3", "--save-total-limit", "9")
    assert main(["--resume-from-checkpoint", str(run / "checkpoints" / "step-00000003")]) == 0
    assert "only measures" not in capsys.readouterr().out
