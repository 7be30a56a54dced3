"""Core ML packages and Core AI assets in `evaluate` and `compare`."""

import json

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.compare import main as compare
from mlx_finbert.convert import coreai, coreml
from mlx_finbert.convert.coreai import child
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main

pytestmark = pytest.mark.usefixtures("few_texts")

LENGTHS = [7, 13]
TEXTS = [
    "profit rose",
    "net sales fell by 3 percent in the quarter",
    "the company said operating profit rose by 3 percent in the quarter, and orders fell",
    "guidance unchanged",
]
LABELS = ["positive", "negative", "positive", "neutral"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "made.csv"
    lines = [f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join(["text,label", *lines]))
    return str(path)


def export_to(path, folder, **options):
    """Export the checkpoint as a package or as an asset of all `LENGTHS`."""
    model, tokenizer = mlx_finbert.load(folder)
    if path.suffix == ".aimodel":
        options = coreai.AssetOptions(lengths=LENGTHS, **{"precision": "fp32"} | options)
        report = coreai.export(model, tokenizer, path, options)
    else:
        options = coreml.ExportOptions(lengths=LENGTHS, precision="fp32", shapes="enumerated")
        report = coreml.export(model, tokenizer, path, options)
    assert report.passed, str(report)
    return str(path)


KINDS = {
    "T.mlpackage": "a Core ML package (fp32), run by our evaluator and not by Core ML",
    "T.aimodel": "a Core AI asset (fp32), run by Apple's runtime",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_the_figures_are_the_models_and_say_what_was_measured(
    checkpoint, tmp_path, table, capsys, name, kind
):
    if name == "T.aimodel":
        pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')
    folder = checkpoint()
    package = export_to(tmp_path / "app" / name, folder)
    found = {}
    for model, cut in ((str(folder), ["--max-length", "13"]), (package, [])):
        assert main(["--model", model, "--data", table, "--json", *cut]) == 0
        found[model] = json.loads(capsys.readouterr().out)
    own, exported = found.values()
    assert exported["rows"] == own["rows"] == len(TEXTS)
    assert exported["truncated"] == own["truncated"] == 1
    assert exported["model"] == package
    for figure in ("loss", "brier", "ece"):
        assert exported[figure] == pytest.approx(own[figure], abs=1e-5)
    assert exported["accuracy"] == own["accuracy"]
    assert exported["notes"][0] == f"{package} is {kind}; it reads at most 13 tokens of a text"
    assert "could not be checked whether" in exported["notes"][1]

    both = [str(folder), package, "--data", table, "--max-length", "13", "--json"]
    assert compare(both) == 0
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert difference["model"] == package and difference["rows_with_another_label"] == 0
    assert difference["loss"] == pytest.approx(0, abs=1e-5)

    output = tmp_path / "evaluation"
    assert main(["--model", package, "--data", table, "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert kind in said and "1 rows were too long and were cut" in said
    told = json.loads((output / "metrics.json").read_text())
    assert told["model"] == package and told["notes"] == exported["notes"]
    assert name in (output / "report.html").read_text()
    predictions = (output / "predictions.csv").read_text().splitlines()
    assert len(predictions) == len(TEXTS) + 1


@pytest.mark.parametrize("name", KINDS)
def test_an_export_records_no_data(tmp_path, capsys, name):
    package = tmp_path / name
    assert main(["--model", str(package)]) == 2
    said = f"error: {package} does not record what data its model was trained on; give the data to"
    assert capsys.readouterr().err == f"{said} measure with --data\n"


@pytest.mark.parametrize(
    "flags", [["--revision", "x"], ["--model-labels", "a,b"], ["--batch-size", "8"]]
)
def test_flags_of_checkpoints_are_refused(tmp_path, table, capsys, flags):
    argv = ["--model", str(tmp_path / "T.aimodel"), "--data", table, *flags]
    assert main(argv) == 2
    said = f"error: {flags[0]} has no effect without a checkpoint as --model\n"
    assert capsys.readouterr().err == said


def test_rows_with_other_labels_are_refused_before_any_is_run(checkpoint, tmp_path, capsys):
    package = export_to(tmp_path / "app" / "T.mlpackage", checkpoint())
    data = tmp_path / "other.csv"
    data.write_text("text,label\nprofit rose,joy\nprofit fell,grief\n")
    assert main(["--model", package, "--data", str(data)]) == 2
    assert "joy" in capsys.readouterr().err


def test_without_the_library_there_is_one_sentence(tmp_path, table, monkeypatch, capsys):
    monkeypatch.setattr(child, "find_spec", lambda name: None)
    assert main(["--model", str(tmp_path / "T.aimodel"), "--data", table]) == 2
    said = 'error: Core AI needs Apple\'s package coreai-core: pip install ".[coreai]"\n'
    assert capsys.readouterr().err == said


def test_the_function_names_the_command(tmp_path):
    with pytest.raises(InputError, match=r"T\.aimodel, an export: measure it with python -m"):
        mlx_finbert.evaluate_classifier(tmp_path / "T.aimodel", (TEXTS, np.array(LABELS)))
