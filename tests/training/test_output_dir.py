"""Output folders: one run at a time, and an earlier run is replaced completely or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
import yaml

import mlx_finbert
from mlx_finbert.checkpoints.files import MODEL_FILES
from mlx_finbert.convert.fuse import main as fuse
from mlx_finbert.convert.to_coreml import main as to_coreml
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.files import folder_commit
from mlx_finbert.files.folder_lock import LOCK, claimed
from mlx_finbert.predict import main as predict
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.output_dir import REPORTS
from mlx_finbert.training.run_folder import RunFolder


class Killed(BaseException):
    """A kill, which no error handling catches."""


@pytest.fixture
def command(checkpoint, tmp_path):
    """Arguments of a short run: `command(out, *more)`."""
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    rows = [
        f"{a} {b} {verb} in year {i}{j},{label}"
        for i, a in enumerate(("profit", "loss", "sales", "orders"))
        for j, b in enumerate(("margin", "dividend", "guidance", "outlook"))
        for label, verb in verbs.items()
    ]
    table = tmp_path / "news.csv"
    table.write_text("\n".join(["text,label", *rows]))
    fixed = ["--model", str(checkpoint()), "--data", str(table), "--batch-size", "8"]
    return lambda out, *more: [*fixed, "--num-train-epochs", "1", "--output-dir", str(out), *more]


def state(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != LOCK}


def test_a_folder_in_use_is_refused_by_every_command_that_writes(command, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(command(run)) == 0
    before = state(run)
    model = ["--model", str(run)]
    coreml = tmp_path / "app" / "T.mlpackage"
    with claimed(run, "wait"), claimed(coreml.parent, "wait"), claimed(tmp_path / "new", "wait"):
        capsys.readouterr()
        for program, argv, remedy in (
            (main, command(run, "--overwrite"), "name another --output-dir"),
            (main, command(tmp_path / "new"), "name another --output-dir"),
            (main, ["--resume-from-checkpoint", str(run)], "stop it first"),
            (main, command(tmp_path / "new", "--folds", "3"), "name another --output-dir"),
            (to_mlx, [*model, "--output", str(tmp_path / "new")], "name another --output"),
            (to_mlx, [*model, "--output", str(run), "--overwrite"], "name another --output"),
            (fuse, [*model, "--output", str(tmp_path / "new")], "name another --output"),
            (to_coreml, [*model, "--output", str(coreml)], "choose another folder for --output"),
        ):
            assert program(argv) == 2, argv
            error = capsys.readouterr().err
            words = f"is in use by process {os.getpid()} on "
            assert error.startswith("error: ") and words in error and error.count("\n") == 1
            assert error.endswith(f": wait until it ends, or {remedy}\n")
        # Reading is allowed.
        assert predict([*model, "sales rose"]) == 0
        assert evaluate([*model, "--data", command(run)[3]]) == 0
    assert state(run) == before
    assert not (tmp_path / "new").exists() and not coreml.parent.exists()


def test_a_run_beside_one_in_another_process_and_after_its_kill(command, tmp_path, capsys):
    run = tmp_path / "run"
    argv = [sys.executable, "-m", "mlx_finbert.train", *command(run, "--num-train-epochs", "1000")]
    other = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run / "best.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert main(command(run, "--overwrite")) == 2
    assert f"is in use by process {other.pid} on" in capsys.readouterr().err
    assert other.poll() is None
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert main(command(run)) == 2
    assert "holds config.json already" in capsys.readouterr().err
    assert main(command(run, "--overwrite", "--seed", "3")) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["seed"] == 3
    assert not (run / LOCK).exists()


def test_runs_without_a_name_take_other_folders(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = [part for part in command("") if part not in ("--output-dir", "")]
    with claimed(tmp_path / "runs" / "tiny-news-csv", "wait"):
        assert main(argv) == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"tiny-news-csv-2"}
    assert main([*argv, "--max-length", "9999"]) == 2
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"tiny-news-csv-2"}


def test_an_earlier_run_is_overwritten_whole_or_not_at_all(command, tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert main(command(run)) == 0
    before = state(run)
    new = command(run, "--overwrite", "--seed", "3", "--save-epochs", "0")

    def die(*arguments):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "rename", die)
        main(new)
    after = state(run)
    assert after.pop(run / "log.jsonl") != before.pop(run / "log.jsonl")
    assert after == before

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(folder_commit, "_put", die)
        main(new)
    mlx_finbert.load(run)
    assert yaml.safe_load((run / "config.yaml").read_text())["seed"] == 3
    assert len(json.loads((run / "history.json").read_text())) == 1
    assert not [name for name in (*REPORTS, "checkpoints") if (run / name).exists()]
    assert main(new) == 0
    assert json.loads((run / "metrics.json").read_text())["split"] == "test"


@pytest.mark.slow
def test_an_overwritten_cross_validation_leaves_no_other_folds(command, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert main(command(out, "--folds", "3")) == 0

    def die(*arguments):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "rename", die)
        main(command(out, "--folds", "2", "--overwrite"))
    assert not (out / "cross_validation.json").exists()
    assert main(command(out, "--folds", "2", "--overwrite")) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"cross_validation.json", "fold-01", "fold-02"}


def test_a_model_that_a_killed_command_had_not_moved_up_yet_is_not_replaced_unasked(
    command, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    source = ["--model", str(tmp_path / "tiny"), "--output", str(out)]
    new = command(out)

    def die(*arguments):
        raise Killed

    # The command itself finishes its own rest; a training would replace the model.
    for program, argv, status in ((to_mlx, source, 0), (main, new, 2)):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(folder_commit, "_put", die)
            to_mlx([*source, "--overwrite"])
        assert program(argv) == status
        assert ("--overwrite" in capsys.readouterr().err) == (status == 2)
        shutil.rmtree(out)


@pytest.mark.parametrize("name", sorted(MODEL_FILES))
def test_no_file_is_replaced_or_removed_unasked(command, tmp_path, capsys, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    new = command(out)
    for program, argv in (
        (main, new),
        (to_mlx, ["--model", str(tmp_path / "tiny"), "--output", str(out)]),
    ):
        assert program(argv) == 2
        assert f"{out} holds {name} already: name another folder" in capsys.readouterr().err
    assert (out / name).read_text() == "mine" and len(list(out.iterdir())) == 1


@pytest.mark.parametrize("first", ["evaluation", "checkpoint"])
def test_what_only_an_earlier_run_used_is_removed(command, tmp_path, monkeypatch, first):
    """The tokens of a pretraining and the logits of a teacher, with the first file of the run."""
    run = tmp_path / "run"
    (run / "tokens").mkdir(parents=True)
    (run / "tokens" / "store.json").write_text("{}")
    (run / "teacher_logits-0.safetensors").write_bytes(b"")
    (run / "own.txt").write_text("mine")

    def die(*arguments):
        raise Killed

    if first == "checkpoint":
        monkeypatch.setattr(RunFolder, "on_evaluation", die)
    new = command(run, "--max-steps", "2", "--save-steps", "1", "--eval-steps", "2")
    with pytest.raises(Killed) if first == "checkpoint" else nullcontext():
        assert main(new) == 0
    assert (run / "config.json").exists() == (first == "evaluation")
    assert checkpoints_of(run)
    names = {path.name for path in run.iterdir()}
    assert "own.txt" in names and not names & {"tokens", "teacher_logits-0.safetensors"}


def test_a_folder_of_the_users_named_tokens_stays(command, tmp_path):
    own = tmp_path / "run" / "tokens" / "mine.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert main(command(tmp_path / "run", "--max-steps", "1")) == 0
    assert own.read_text() == "mine"
