"""The check of Core ML, with a stand-in for coremltools' `MLModel`."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlx_finbert.convert.coreml import compute_units, on_mac
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.self_check.checks import checks_of_files
from mlx_finbert.self_check.outcome import carried_out

OPERATIONS = ["matmul", "softmax", "add"]


class MLNeuralEngineComputeDevice:
    pass


class MLCPUComputeDevice:
    pass


class Plan:
    """A compute plan: everything on one device, but for the last operation."""

    def __init__(self, units):
        block = SimpleNamespace(operations=OPERATIONS)
        program = SimpleNamespace(functions={"main": SimpleNamespace(block=block)})
        self.model_structure = SimpleNamespace(program=program)
        self.device = MLCPUComputeDevice if units == "CPU_ONLY" else MLNeuralEngineComputeDevice

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        kind = MLCPUComputeDevice if operation == "add" else self.device
        return SimpleNamespace(preferred_compute_device=kind())


class StandIn:
    """Runs a package as Core ML would: with the evaluator."""

    def __init__(self, path, compute_units):
        self.units = compute_units
        self.evaluator = Evaluator(SavedPackage(Path(path)).functions["main"])

    def predict(self, feeds):
        return self.evaluator(feeds)

    def get_compiled_model_path(self):
        return "compiled"


@pytest.fixture
def finding(monkeypatch):
    """The finding of the check on a Mac whose Core ML is this class."""

    def run(kind):
        plan = SimpleNamespace(
            MLComputePlan=SimpleNamespace(
                load_from_path=lambda path, compute_units: Plan(compute_units)
            )
        )
        models = SimpleNamespace(MLModel=kind, compute_plan=plan)
        units = SimpleNamespace(**{name: name for name in compute_units.UNITS})
        stand_in = SimpleNamespace(models=models, ComputeUnit=units)
        for module in (on_mac, compute_units):
            monkeypatch.setattr(module, "ct", stand_in)
        monkeypatch.setattr(sys, "platform", "darwin")
        (check,) = [check for check in checks_of_files(quick=True) if check.name == "Core ML"]
        return carried_out(check)

    return run


def test_every_unit_is_run_and_its_plan_shown(finding):
    found = finding(StandIn)
    assert found.passed, found
    lines = str(found).splitlines()
    for unit, line in zip(compute_units.UNITS, lines, strict=True):
        assert f"{unit}: " in line and " ms a prediction" in line
    assert "2 NeuralEngine, 1 CPU" in lines[0] and "3 CPU" in lines[-1]


def test_units_that_compute_something_else_or_nothing_are_found(finding):
    class Wrong(StandIn):
        def predict(self, feeds):
            if self.units == "CPU_AND_GPU":
                raise RuntimeError("no GPU here")
            outputs = super().predict(feeds)
            if self.units == "CPU_AND_NE":
                found = outputs["probabilities"]
                outputs["probabilities"] = dict.fromkeys(found, 1 / len(found))
            return outputs

    found = finding(Wrong)
    assert found.passed is False and "CPU_AND_GPU: no GPU here" in str(found)
    assert [m.is_right for m in found.measures] == [True, False, False, True]


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML is here")
def test_without_macos_it_is_said():
    (check,) = [check for check in checks_of_files(quick=True) if check.name == "Core ML"]
    found = carried_out(check)
    assert found.passed is None and "only on macOS" in str(found)
