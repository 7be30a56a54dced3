"""Core ML's side of a verification, with a stand-in for coremltools' `MLModel`."""

import math
import platform
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_packages import LENGTH

from mlx_finbert.convert.coreml import ExportOptions, export, on_mac
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.saved import SavedPackage

pytestmark = pytest.mark.usefixtures("few_texts")

TOO_NEW = (
    "The specification has version 9 but the Core ML framework version installed only supports"
    " Core ML model specification version 8 or older."
)


class StandIn:
    """Runs a package as Core ML would: with the evaluator. Tests change what it gives."""

    def __init__(self, path, function_name=None):
        package = SavedPackage(Path(path))
        self.evaluator = Evaluator(package.functions[function_name or "main"])

    def predict(self, feeds):
        return self.change(self.evaluator(feeds))

    def change(self, outputs):
        return outputs

    def get_compiled_model_path(self):
        raise RuntimeError("nothing was compiled")


@pytest.fixture
def export_on_mac(classifier, tmp_path, monkeypatch):
    """The report of an export on a Mac whose Core ML is this class."""

    def run(mlmodel, macos="", **options):
        model, tokenizer = classifier("bert", num_hidden_layers=1)
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), ""))
        models = SimpleNamespace(MLModel=mlmodel)
        monkeypatch.setattr(on_mac, "ct", SimpleNamespace(models=models))
        options = ExportOptions(lengths=[LENGTH], **options)
        return export(model, tokenizer, tmp_path / "app" / "T.mlpackage", options)

    return run


def fails_with(message, where="predict"):
    """A stand-in that cannot be loaded or run."""

    class Failing(StandIn):
        def __init__(self, path, function_name=None):
            if where == "load":
                raise RuntimeError(message)

        def predict(self, feeds):
            raise RuntimeError(message)

    return Failing


def test_core_ml_that_agrees(export_on_mac):
    report = export_on_mac(StandIn)
    assert report.passed
    lines = str(report).splitlines()
    assert lines[-1] == "verified" and "not run by Core ML" not in str(report)
    assert "Core ML on this Mac: largest difference from the evaluator 0.0e+00" in str(report)


@pytest.mark.parametrize("where", ["load", "predict"])
def test_a_package_that_core_ml_cannot_compile_is_a_fault(export_on_mac, where):
    report = export_on_mac(fails_with("Failed to build the model execution plan", where))
    assert not report.passed
    assert "cannot run it: Failed to build the model execution plan" in str(report)
    assert str(report).endswith("NOT verified: see the faults above")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: o.pop("probabilities"), r"its outputs are \['label', 'logits'\]"),
        (lambda o: o.pop("label"), "its label is None"),
        (
            lambda o: o.update(label=min(o["probabilities"], key=o["probabilities"].get)),
            "its label",
        ),
        (lambda o: o.update(probabilities={"up": 1.0}), r"its probabilities are for \['up'\]"),
        (lambda o: o.update(probabilities=dict.fromkeys(o["probabilities"], math.nan)), "nan dB"),
        (lambda o: o.update(probabilities=dict.fromkeys(o["probabilities"], 1 / 3)), "below 40 dB"),
    ],
)
def test_wrong_outputs_of_core_ml_are_faults(export_on_mac, change, words):
    class Wrong(StandIn):
        def change(self, outputs):
            change(outputs)
            return outputs

    report = export_on_mac(Wrong)
    (figures,) = report.packages[0].functions
    assert not report.passed
    assert re.search(words, "\n".join(figures.faults)), figures.faults


@pytest.mark.parametrize(
    ("message", "macos"), [("cannot be parsed", "14.7"), (TOO_NEW, ""), (TOO_NEW, "10.16")]
)
def test_a_macos_older_than_the_target_is_excused_and_said(export_on_mac, message, macos):
    form = {"target": "iOS18", "outputs": "arrays"}
    report = export_on_mac(fails_with(message), macos, **form)
    assert report.passed
    assert "not run: Core ML on this Mac is too old for iOS18" in str(report)
    assert str(report).endswith("which needs a Mac with the target's macOS\nverified")


@pytest.mark.parametrize("macos", ["15.1", "10.16", ""])
def test_another_failure_is_not_excused(export_on_mac, macos):
    report = export_on_mac(fails_with("cannot be parsed"), macos, target="iOS18")
    assert not report.passed
