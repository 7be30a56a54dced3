"""`scripts/bench/export.py` on small models."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import mlx_finbert.models
from mlx_finbert.convert.coreml import golden_texts

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "export.py"

pytestmark = pytest.mark.bench


@pytest.fixture
def bench(monkeypatch, sizes):
    """The script, with small models."""
    spec = importlib.util.spec_from_file_location("bench_export", SCRIPT)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    build = mlx_finbert.models.build
    monkeypatch.setattr(
        mlx_finbert.models, "build", lambda config: build(config | sizes[config["model_type"]])
    )
    monkeypatch.setattr(found, "VOCAB_SIZE", 100)
    # The script shortens them.
    monkeypatch.setattr(golden_texts, "GOLDEN_TEXTS", golden_texts.GOLDEN_TEXTS)
    monkeypatch.setattr(found, "in_a_process", found.measure)
    return found


def run(bench, monkeypatch, capsys, *flags):
    monkeypatch.setattr(sys, "argv", ["export.py", "--length", "7", *flags])
    bench.main()
    return capsys.readouterr().out


def test_both_formats_hold_the_same_weights(bench, monkeypatch, capsys):
    pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')
    flags = ["--models", "distilbert", "--cases", "plain-fp32,core-ai"]
    package, asset = json.loads(run(bench, monkeypatch, capsys, *flags, "--json"))
    assert [package["case"], asset["case"]] == ["plain-fp32", "core-ai"]
    assert 0 < asset["written"] < asset["seconds"]
    # Both processes, each of which has loaded NumPy; the peak of this one only grows.
    assert asset["peak_mb"] > package["peak_mb"] + 30
    assert asset["operations"]["broadcasting_batch_matmul"] > 5
    said = bench.table([package, asset]).splitlines()
    ratio = asset["seconds"] / package["seconds"]
    assert said[3].startswith(f"distilbert: core-ai takes {ratio:.2f} x the seconds, ")


def test_an_unknown_case_is_refused(bench, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(bench, monkeypatch, capsys, "--cases", "plain,onnx")
    assert "--cases: 'onnx' is none of ane, plain, plain-fp32, core-ai" in capsys.readouterr().err
