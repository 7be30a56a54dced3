"""Pretraining with two processes on this machine: the same result as one, and failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from loopback import free_ports

from mlx_finbert.pretrain import main

ROOT = Path(__file__).resolve().parents[2]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def launched(argv, program=("-m", "mlx_finbert.pretrain"), **environment):
    """Run `scripts/launch.sh` with two processes and wait for them."""
    return subprocess.run(
        [
            "bash", ROOT / "scripts" / "launch.sh", "-n", "2", "--backend", "ring",
            "--starting-port", str(free_ports(2)[0]), *program, *argv,
        ],
        capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHON": sys.executable} | environment,
    )  # fmt: skip


def arguments(model, news, *more):
    return [
        "--model", str(model), "--data", str(news), "--max-steps", "7", "--eval-steps", "3",
        "--batch-size", "8", "--max-length", "16", "--learning-rate", "1e-3",
        "--gradient-accumulation-steps", "2", *more,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("form", [[], ["--line-by-line", "--whole-words"]])
def test_two_processes_are_one(checkpoint, news, tmp_path, form):
    model = checkpoint(**NO_DROPOUT)
    outputs = {name: tmp_path / name for name in ("one", "two")}
    argv = [arguments(model, news, *form, "--output-dir", str(out)) for out in outputs.values()]
    assert main(argv[0]) == 0
    result = launched(argv[1])
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("steps of 16 rows") == result.stdout.count("held out: loss") == 1
    one, two = (json.loads((out / "history.json").read_text()) for out in outputs.values())
    assert len(one) == len(two) == 3
    for ours, theirs in zip(one, two, strict=True):
        numbers = [name for name, value in ours.items() if value is not None]
        np.testing.assert_allclose(
            [ours[n] for n in numbers], [theirs[n] for n in numbers], atol=1e-5
        )
    files = [{p.name for p in out.iterdir()} for out in outputs.values()]
    assert files[0] == files[1]


ONE_TOKENIZES = """
import os, sys
import mlx_finbert
from mlx_finbert.distributed import ranks
from mlx_finbert.pretrain import main
from mlx_finbert.pretraining import texts

os.chdir(os.environ["PLACE"])
if ranks().rank() == 1:
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    texts.make_stores = None
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_folder_that_the_first_process_chose_has_the_tokens_of_all(checkpoint, news, tmp_path):
    place, script = tmp_path / "place", tmp_path / "program.py"
    place.mkdir()
    script.write_text(ONE_TOKENIZES)
    result = launched(arguments(checkpoint(), news), [str(script)], PLACE=str(place))
    assert result.returncode == 0, result.stdout + result.stderr
    assert sorted(path.name for path in place.iterdir()) == ["elsewhere", "runs"]
    assert not list((place / "elsewhere").iterdir())


OTHER = """
import os, sys
import mlx_finbert
from mlx_finbert.distributed import ranks
from mlx_finbert.pretrain import main

if ranks().rank() == 1:
    sys.argv += ["--data", os.environ["OTHER_DATA"]]
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_processes_with_other_texts_are_refused(checkpoint, news, tmp_path):
    program, other, out = tmp_path / "program.py", tmp_path / "other.txt", tmp_path / "out"
    program.write_text(OTHER)
    other.write_text(news.read_text().replace("rose", "fell"))
    argv = arguments(checkpoint(), news, "--output-dir", str(out))
    result = launched(argv, [str(program)], OTHER_DATA=str(other))
    assert result.returncode == 1
    assert "the texts or their tokens differ between the processes" in result.stdout
    assert not (out / "model.safetensors").exists()


def test_a_batch_that_the_processes_cannot_share_is_refused(
    checkpoint, news, tmp_path, monkeypatch, capsys
):
    class Three:
        rank, size = (lambda self: 0), (lambda self: 3)

    monkeypatch.setattr("mlx_finbert.training.frame.ranks", Three)
    out = tmp_path / "out"
    assert main(arguments(checkpoint(), news, "--output-dir", str(out))) == 2
    assert "--batch-size is 8: must be a multiple of the 3 processes" in capsys.readouterr().err
    assert not out.exists()
