"""`scripts/bench/startup.py`: its processes and its tables."""

import json
import os
import shutil
import sys

import pytest
import startup

pytestmark = pytest.mark.bench


def test_the_large_packages_of_a_process():
    assert startup.heavy_modules(["-c", "import yaml"]) == ["yaml"]
    assert startup.heavy_modules(["-m", "mlx_finbert.convert.verify", "--help"]) == []


def test_a_process_that_fails_ends_the_benchmark():
    with pytest.raises(SystemExit, match="no module named 'absent'"):
        startup.seconds(["-c", "raise SystemExit(\"no module named 'absent'\")"])


def test_ratios_are_medians_over_the_rounds(monkeypatch):
    taken = iter([1.0, 2.0, 8.0, 2.0, 2.0, 8.0, 1.0, 4.0, 2.0])
    monkeypatch.setattr(startup, "PROCESSES", startup.BARE | {"work": ["-c", "work"]})
    monkeypatch.setattr(startup, "heavy_modules", lambda argv: [])
    monkeypatch.setattr(startup, "seconds", lambda argv: next(taken))
    row = startup.process_rows(3)[-1]
    assert row["seconds"] == [8.0, 8.0, 2.0] and row["median"] == 8
    # Ratios of 8, 4 and 2 to the bare process; of 4, 4 and 0.5 to MLX.
    assert row["over"] == {"bare": 4, "mlx.core": 4}


def test_the_moments_of_a_log():
    events = ["start", "step", "step", "evaluation", "end"]
    lines = [{"event": e, "time": f"2026-01-01T00:00:0{i}+00:00"} for i, e in enumerate(events)]
    start, done = startup.moments("".join(json.dumps(line) + "\n" for line in lines))
    assert done - start == 1


def test_a_first_step(checkpoint, monkeypatch, tmp_path):
    monkeypatch.setattr(startup, "FIRST_STEP", [*startup.FIRST_STEP, "--model", str(checkpoint())])
    monkeypatch.setitem(os.environ, "MLX_DISABLE_COMPILE", "1")
    row = startup.first_step(tmp_path)
    assert row["kernels"] == 0 and row["start"] > 0 and row["step"] > 0


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("g++"), reason="MLX builds no kernels here"
)
def test_only_the_cold_run_builds_kernels(checkpoint, monkeypatch):
    monkeypatch.setattr(startup, "FIRST_STEP", [*startup.FIRST_STEP, "--model", str(checkpoint())])
    cold, warm = startup.first_step_rows(1)
    assert (cold["cache"], warm["cache"]) == ("cold", "warm")
    assert cold["kernels"] > 0 and warm["kernels"] == 0


def test_the_tables(monkeypatch, capsys):
    first = {"start": 1.0, "step": 20.0, "seconds": 21.0, "kernels": 43}
    monkeypatch.setattr(startup, "first_step", lambda kernels: first)
    monkeypatch.setattr(startup, "seconds", lambda argv: 0.25)
    monkeypatch.setattr(startup, "heavy_modules", lambda argv: ["torch"])
    startup.main(["--rounds", "2"])
    printed = capsys.readouterr().out
    assert "train --help                0.250      1.0         1.0  torch" in printed
    assert "warm                        21.00     1.00    20.00       43" in printed
    startup.main(["--rounds", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {row["process"] for row in found["processes"]} == set(startup.PROCESSES)
    assert found["first_step"][-1] == {"cache": "warm"} | first
