"""Pretraining that goes on after a kill, bit for bit, with its store of tokens."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from mlx_finbert.data import token_store
from mlx_finbert.errors import InputError
from mlx_finbert.pretrain import main
from mlx_finbert.pretraining.run import complete
from mlx_finbert.train import main as train_main
from mlx_finbert.training.checkpoints import checkpoints_of

ARGUMENTS = [
    "--num-train-epochs", "3", "--batch-size", "4", "--gradient-accumulation-steps", "2",
    "--max-length", "16", "--learning-rate", "3e-3", "--eval-steps", "7", "--save-steps", "10",
    "--whole-words", "--dtype", "bfloat16", "--plateau-monitor", "val_loss",
    "--plateau-patience", "1", "--early-stopping-patience", "30", "--validation-ratio", "0.1",
]  # fmt: skip
SAME = ("model.safetensors", "history.json", "history.csv", "metrics.json", "config.json")


def command(model, news, out, *more):
    return ["--model", str(model), "--data", str(news), "--output-dir", str(out), *ARGUMENTS, *more]


def killed_after(step, argv, out):
    """Run in a new process and kill it with SIGKILL after this number of steps."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlx_finbert.pretrain", *argv],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    log = out / "log.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.read_text().count('"event": "step"') >= step:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("more", [[], ["--line-by-line"]])
def test_a_killed_run_goes_on_bit_for_bit(checkpoint, news, tmp_path, more):
    model, whole, killed = checkpoint(), tmp_path / "whole", tmp_path / "killed"
    assert main(command(model, news, whole, *more)) == 0
    killed_after(23, command(model, news, killed, *more), killed)
    assert checkpoints_of(killed) and not (killed / "metrics.json").exists()
    assert main(["--resume-from-checkpoint", str(killed)]) == 0
    for name in SAME:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    last = checkpoints_of(whole)[-1].name
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        one, other = (run / "checkpoints" / last / name for run in (whole, killed))
        assert one.read_bytes() == other.read_bytes(), name


@pytest.fixture
def stopped(checkpoint, news, tmp_path, monkeypatch):
    """A finished run whose last checkpoint is gone."""
    out = tmp_path / "out"
    assert main(command(checkpoint(), news, out)) == 0
    shutil.rmtree(checkpoints_of(out)[-1])
    return out


def test_a_resumed_run_reuses_its_tokens(stopped, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "mlx_finbert")
    before = (stopped / "model.safetensors").read_bytes()
    ids = (stopped / "tokens/train/ids.bin").stat()
    caplog.clear()
    assert main(["--resume-from-checkpoint", str(stopped)]) == 0
    assert "has the tokens of these texts" in caplog.text and "tokenizing" not in caplog.text
    assert (stopped / "tokens/train/ids.bin").stat().st_ino == ids.st_ino
    assert (stopped / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_tokens_that_are_gone_are_made_again(stopped, caplog, damage):
    caplog.set_level(logging.INFO, "mlx_finbert")
    ids = stopped / "tokens/train/ids.bin"
    content, before = ids.read_bytes(), (stopped / "model.safetensors").read_bytes()
    if damage == "gone":
        shutil.rmtree(stopped / "tokens")
    else:
        os.truncate(ids, 10)
    caplog.clear()
    assert main(["--resume-from-checkpoint", str(stopped)]) == 0
    assert "tokenizing" in caplog.text
    assert ids.read_bytes() == content
    assert (stopped / "model.safetensors").read_bytes() == before


def test_other_texts_are_refused_and_the_tokens_stay(stopped, news, monkeypatch, capsys):
    ids = (stopped / "tokens/train/ids.bin").read_bytes()
    news.write_text(news.read_text().replace("rose", "fell"))
    monkeypatch.setattr(token_store, "encoded", None)
    assert main(["--resume-from-checkpoint", str(stopped)]) == 2
    told = capsys.readouterr().err
    assert f"{news} is not what this run read: its texts, their order or the tokenizer" in told
    assert (stopped / "tokens/train/ids.bin").read_bytes() == ids


def test_texts_that_moved_are_accepted(stopped, news, tmp_path):
    moved = news.rename(tmp_path / "moved.txt")
    assert main(["--resume-from-checkpoint", str(stopped), "--data", str(moved)]) == 0
    assert json.loads((stopped / "metrics.json").read_text())["loss"] > 0


def test_a_setting_cannot_change(stopped):
    with pytest.raises(InputError, match=r"`mask_probability` is 0.3: the run to resume has 0.15"):
        complete({"resume_from_checkpoint": str(stopped), "mask_probability": 0.3})


def test_each_command_resumes_its_own_runs(stopped, checkpoint, tmp_path, capsys):
    assert train_main(["--resume-from-checkpoint", str(stopped)]) == 2
    told = capsys.readouterr().err
    assert "is of a run of python -m mlx_finbert.pretrain: resume it with that" in told
    out = tmp_path / "classifier"
    argv = ["--model", str(checkpoint(name="other")), "--output-dir", str(out), "--max-steps", "2"]
    assert train_main([*argv, "--save-steps", "1", "--batch-size", "4"]) == 0
    capsys.readouterr()
    assert main(["--resume-from-checkpoint", str(out)]) == 2
    assert "is of a run of python -m mlx_finbert.train: resume it" in capsys.readouterr().err
