"""What the command prints, and its status."""

import json
import os
import re
import sys

import pytest

from mlx_finbert import check
from mlx_finbert.self_check import machine, run
from mlx_finbert.self_check.outcome import Check, Measure, NotRun, carried_out
from mlx_finbert.self_check.timed_process import Timing
from mlx_finbert.training.optimizer import Adam

RIGHT = Measure("a value", 1e-7, 1e-5)
WRONG = Measure("another value", 2e-5, 1e-5)
NOT_A_NUMBER = Measure("a third value", float("nan"), 1e-5)
TIMING = Timing("a model", 12.5, 0.01, 1000.0, 0.5)


def raising(error):
    def measure():
        raise error

    return measure


@pytest.fixture
def checked(monkeypatch, capsys):
    """Run the command with these checks instead of its own; return status, output, report."""

    def call(*checks, flags=(), timing=TIMING):
        monkeypatch.setattr(run, "checks_against_numpy", lambda quick: iter(checks))
        monkeypatch.setattr(run, "checks_of_two_ways", lambda *a: iter(()))
        monkeypatch.setattr(run, "checks_of_files", lambda *a: iter(()))
        monkeypatch.setattr(run, "timing", lambda case, environment: timing)
        monkeypatch.setenv("MLX_ENABLE_TF32", os.environ.get("MLX_ENABLE_TF32", "0"))
        status = check.main([*flags])
        return status, capsys.readouterr().out

    return call


def test_right_is_status_0(checked):
    status, said = checked(Check("one", lambda: [RIGHT]), Check("two", lambda: iter([RIGHT])))
    assert status == 0
    assert "\nright  one                                a value: 1.0e-07 of 1.0e-05\n" in said
    assert re.fullmatch(r"right: 2 checks in \d+ s", said.splitlines()[-1])
    assert "a model: 12 ms a step, 0.5 GB, 1,000 texts a second" in said


def test_wrong_is_status_1_and_names_the_checks(checked):
    status, said = checked(
        Check("one", lambda: [RIGHT]),
        Check("two", lambda: [RIGHT, WRONG]),
        Check("three", raising(ValueError("broken\nmore"))),
        Check("four", raising(NotRun("not here"))),
    )
    assert status == 1
    assert "WRONG  two                                another value: 2.0e-05 of 1.0e-05" in said
    assert "WRONG  three                              ValueError: broken\n" in said
    assert "-      four                               not here" in said
    assert said.splitlines()[-1] == "WRONG: 2 of 3 checks: two; three"


def test_json_is_one_document(checked):
    checks = Check("one", lambda: [RIGHT]), Check("two", lambda: [RIGHT, NOT_A_NUMBER])
    status, said = checked(*checks, flags=["--json"])
    found = json.loads(said)
    assert status == 1 and not found["passed"] and found["wrong"] == ["two"]
    assert found["checks"][0]["measures"] == [{"what": "a value", "error": 1e-7, "allowed": 1e-5}]
    assert found["checks"][1]["measures"][0]["error"] is None
    assert found["timings"][0]["step_ms"] == 12.5
    assert found["machine"]["packages"]["mlx"] and found["machine"]["chip"]


def test_quick_times_nothing(checked):
    _, said = checked(Check("one", lambda: [RIGHT]), flags=["--quick"])
    assert "a step" not in said


def test_a_case_that_cannot_be_timed_is_no_wrong_result(checked):
    status, said = checked(Check("one", lambda: [RIGHT]), timing=Timing("big", fault="no memory"))
    assert status == 0
    assert "big: not timed: no memory" in said
    assert said.splitlines()[-1].endswith("could not be timed")


def test_the_worst_measure_counts():
    measures = [Measure("a", 1.0, 2.0), Measure("b", 0.3, 0.4), Measure("c", 0.0, 0.0)]
    finding = carried_out(Check("x", lambda: measures))
    assert finding.passed and [m.what for m in finding.measures] == ["b"]
    assert [m.what for m in carried_out(Check("x", lambda: measures, True)).measures] == [*"abc"]
    worse = Measure("d", 1e-9, 0.0)
    finding = carried_out(Check("x", lambda: [*measures, worse]))
    assert finding.passed is False and finding.measures == (worse,)


def test_a_mac_is_described_by_its_own_programs(monkeypatch):
    said = {"machdep.cpu.brand_string": "Apple M9", "-buildVersion": "99A9"}
    monkeypatch.setattr(machine, "output_of", lambda *argv: said[argv[-1]])
    monkeypatch.setattr(machine.platform, "mac_ver", lambda: ("26.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.chip_name() == "Apple M9"
    assert machine.system_name() == "macOS 26.1 (99A9)"


def test_the_users_variables_are_shown():
    found = machine.this_machine({"MLX_ENABLE_TF32": "1", "HOME": "/home/x"})
    assert found.environment == {"MLX_ENABLE_TF32": "1"}
    assert "set          MLX_ENABLE_TF32=1" in str(found) and "/home/x" not in str(found)


@pytest.mark.slow
def test_the_whole_command_is_right_here(capsys, monkeypatch):
    monkeypatch.setenv("MLX_ENABLE_TF32", "0")
    assert check.main(["--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] and len(found["checks"]) > 20


@pytest.mark.slow
def test_the_whole_command_is_wrong_with_a_wrong_constant(capsys, monkeypatch):
    monkeypatch.setenv("MLX_ENABLE_TF32", "0")
    monkeypatch.setattr(Adam.__init__, "__defaults__", (0.0, True, (0.9, 0.99), 1e-8))
    assert check.main(["--quick"]) == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"WRONG: 2 of \d+ checks: Adam; training steps", last)
