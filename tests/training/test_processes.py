"""Training with two processes on this machine: the same result as one, and failures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from loopback import free_ports

from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of

ROOT = Path(__file__).resolve().parents[2]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


LAUNCH = ROOT / "scripts" / "launch.sh"
ENVIRONMENT = os.environ | {"PYTHON": sys.executable}


def launching(argv):
    """The command line of `scripts/launch.sh` with two processes."""
    port = str(free_ports(2)[0])
    return ["bash", LAUNCH, "-n", "2", "--backend", "ring", "--starting-port", port, *argv]


def launched(argv, program=("-m", "mlx_finbert.train"), **environment):
    """Run `scripts/launch.sh` with two processes and wait for them."""
    return subprocess.run(
        launching([*program, *argv]),
        capture_output=True, text=True, timeout=120, env=ENVIRONMENT | environment,
    )  # fmt: skip


def arguments(model, out, *more):
    return [
        "--model", str(model), "--output-dir", str(out), "--max-steps", "7", "--eval-steps", "3",
        "--batch-size", "8", "--max-length", "32", "--learning-rate", "1e-3",
        "--gradient-accumulation-steps", "2", *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_two_processes_are_one(checkpoint, tmp_path):
    model = checkpoint(**NO_DROPOUT)
    assert main(arguments(model, tmp_path / "one")) == 0
    result = launched(arguments(model, tmp_path / "two"))
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("steps of 16 rows") == 1
    one, two = (
        json.loads((tmp_path / name / "history.json").read_text()) for name in ("one", "two")
    )
    assert len(one) == len(two) == 3
    for ours, theirs in zip(one, two, strict=True):
        assert ours.keys() == theirs.keys()
        np.testing.assert_allclose(list(ours.values()), list(theirs.values()), atol=1e-5)
    files = [{p.name for p in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert files[0] == files[1]


PROGRAM = """
import os, sys
import mlx_finbert
from mlx_finbert.distributed import ranks
from mlx_finbert.train import main
from mlx_finbert.training.step import TrainStep

if ranks().rank() == 1:
    if "OTHER_DATA" in os.environ:
        sys.argv += ["--data", os.environ["OTHER_DATA"]]
    else:
        TrainStep.__call__ = lambda *arguments: os._exit(7)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def program(tmp_path):
    """A run whose second process fails."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return [str(path)]


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run(checkpoint, tmp_path, program):
    out = tmp_path / "out"
    result = launched(arguments(checkpoint(), out), program)
    assert result.returncode == 1
    assert "error: a process of this run failed" in result.stderr
    assert not (out / "model.safetensors").exists()


STOPPED = """
import os, signal, sys
from pathlib import Path
import mlx_finbert
from mlx_finbert.data.loader import Loader
from mlx_finbert.distributed import ranks
from mlx_finbert.train import main

pids = Path(os.environ["PIDS"])
(pids / str(ranks().rank())).write_text(str(os.getpid()))
sampled = Loader.sampled

def pressing(loader):
    begun.append(loader)
    for number, batch in enumerate(sampled(loader)):
        if len(begun) == 2 and number == 2:
            for path in pids.iterdir():
                os.kill(int(path.read_text()), signal.SIGINT)
        yield batch

begun = []
Loader.sampled = pressing
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_ctrl_c_while_test_rows_are_measured_does_not_hang(checkpoint, tmp_path):
    program, pids, out = tmp_path / "program.py", tmp_path / "pids", tmp_path / "out"
    program.write_text(STOPPED)
    pids.mkdir()
    result = launched(arguments(checkpoint(), out), [str(program)], PIDS=str(pids))
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["interrupted"] and figures["rows"] < figures["rows_in_all"], result.stdout
    assert f"test ({figures['rows']} of " in result.stdout
    assert "another process of this run has ended" not in result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_launcher_ends_all_processes_with_a_checkpoint(
    checkpoint, tmp_path, number, write_news
):
    out, news = tmp_path / "out", write_news(tmp_path / "news.csv", 20)
    argv = arguments(checkpoint(), out, "--max-steps", "100000", "--data", str(news))
    launcher = subprocess.Popen(
        launching(["-m", "mlx_finbert.train", *argv]), env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not (out / "best.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    # As a scheduler does, to the script and to its whole group.
    os.killpg(launcher.pid, number)
    printed, _ = launcher.communicate(timeout=100)
    assert launcher.returncode == 130, printed
    assert checkpoints_of(out), printed
    assert "stopped after step" in printed and "Traceback" not in printed, printed
    assert not (out / ".lock").exists()


@pytest.mark.parametrize("content", ["[]", "", '{"hosts": []}', "{}", "3"])
def test_a_hostfile_without_hosts_is_refused(tmp_path, content):
    hosts = tmp_path / "hosts.json"
    hosts.write_text(content)
    done = subprocess.run(
        ["bash", LAUNCH, "--hostfile", hosts, "-m", "mlx_finbert.train"],
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith(f"error: --hostfile {hosts} ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_processes_with_other_data_are_refused(checkpoint, tmp_path, program):
    other = tmp_path / "other.csv"
    labels = ("negative", "neutral", "positive")
    rows = [f"sales {i} million,{labels[i % 3]}" for i in range(90)]
    other.write_text("\n".join(["text,label", *rows]))
    out = tmp_path / "out"
    result = launched(arguments(checkpoint(), out), program, OTHER_DATA=str(other))
    assert result.returncode == 1
    assert "the rows or their tokens differ between the processes" in result.stdout
    assert not out.exists()


def test_a_batch_that_the_processes_cannot_share_is_refused(
    checkpoint, monkeypatch, tmp_path, capsys
):
    class Three:
        rank, size = (lambda self: 0), (lambda self: 3)

    monkeypatch.setattr("mlx_finbert.training.frame.ranks", Three)
    assert main(arguments(checkpoint(), tmp_path / "out")) == 2
    assert "--batch-size is 8: must be a multiple of the 3 processes" in capsys.readouterr().err
