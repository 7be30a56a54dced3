"""`golden.json`: what it promises an app, and how it is held against a package."""

import mlx.core as mx
import numpy as np
import pytest
from small_packages import LENGTH, export_as, read_json

from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.exporter import describe_export
from mlx_finbert.convert.coreml.golden import golden, golden_faults, rounded_up, write_golden
from mlx_finbert.convert.coreml.inference import Inference
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.inference import predict_proba

pytestmark = pytest.mark.usefixtures("few_random_texts")

LENGTHS = [LENGTH, 20]


def outcomes(report, told):
    """What the saved packages give for the texts, each at its length."""
    infer = Inference(1, told["labels"], told["pad_token_id"])
    runners = {n: Evaluator(SavedPackage(p).functions["main"])
               for n, p in zip(LENGTHS, report.paths, strict=True)}  # fmt: skip
    for entry in told["texts"]:
        row = tuple(entry["input_ids"])
        yield entry, infer(runners[entry["length"]], [row], entry["length"]).probabilities[0]


@pytest.mark.parametrize("form", [{}, {"compress": "int8"}, {"precision": "fp32"}], ids=str)
def test_the_tolerance_is_what_these_packages_need(classifier, tmp_path, form):
    model, tokenizer, report = export_as(classifier, tmp_path, lengths=LENGTHS, **form)
    told = read_json(tmp_path / "golden.json")
    texts = [entry["text"] for entry in told["texts"]]
    expected = predict_proba(model, tokenizer, texts, max_length=LENGTHS[-1])
    margin = 1e-5 if form.get("precision") == "fp32" else 2e-3
    assert told["margin"] == margin
    assert told["tolerance"] == pytest.approx(told["largest_error"] + margin)
    worst = max(f.golden_error for package in report.packages for f in package.functions)
    assert worst <= told["largest_error"] <= worst + 1e-6
    for (entry, found), wanted in zip(outcomes(report, told), expected, strict=True):
        ids = tokenizer(entry["text"], truncation=True, max_length=LENGTHS[-1])["input_ids"]
        assert entry["input_ids"] == ids
        assert entry["length"] == (LENGTH if len(ids) <= LENGTH else LENGTHS[-1])
        assert np.abs(wanted - entry["probabilities"]).max() < 1e-5
        assert np.abs(found - entry["probabilities"]).max() <= told["largest_error"] + 1e-6
        assert entry["is_tie"] or entry["label"] == told["labels"][found.argmax()]
        assert entry["label"] == told["labels"][int(np.argmax(entry["probabilities"]))]


def test_the_error_of_all_golden_texts_is_printed(classifier, tmp_path):
    _, _, report = export_as(classifier, tmp_path, compress="int8")
    told = read_json(tmp_path / "golden.json")
    rows = {tuple(entry["input_ids"]) for entry in told["texts"]}
    (figures,) = report.packages[0].functions
    assert figures.golden_texts == len(rows) > 50
    printed = f"over the {len(rows)} golden texts: {figures.golden_error:.1e}"
    assert printed in str(report)


def test_labels_that_the_tolerance_can_change_are_ties(classifier):
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=[LENGTH])

    def ties(largest_error):
        description = describe_export(model, tokenizer, options, [LENGTH], "")
        return [entry["is_tie"] for entry in golden(description, tokenizer, largest_error)["texts"]]

    assert not all(ties(0.0)) and sum(ties(0.2)) > sum(ties(0.0)) and all(ties(0.5))
    model.classifier.weight = mx.zeros_like(model.classifier.weight)
    model.classifier.bias = mx.zeros_like(model.classifier.bias)
    assert all(ties(0.0))


def test_a_package_that_is_worse_than_the_file_tells(classifier, tmp_path):
    model, tokenizer, _ = export_as(classifier, tmp_path)
    options = ExportOptions(lengths=[LENGTH])
    description = describe_export(model, tokenizer, options, [LENGTH], "")
    error = read_json(tmp_path / "golden.json")["largest_error"]
    assert not list(golden_faults(tmp_path / "golden.json", description, tokenizer, error))
    # Another machine's sums round in another order: the margin is for that too.
    assert not list(golden_faults(tmp_path / "golden.json", description, tokenizer, error + 1e-5))
    (fault,) = golden_faults(tmp_path / "golden.json", description, tokenizer, error + 0.003)
    assert fault.startswith("golden.json next to the package has the tolerance")


def test_an_error_is_rounded_up_once():
    assert all(rounded_up(n / 1e6) == n / 1e6 for n in range(1, 20_001))
    assert rounded_up(0.0010195) == 0.00102 and rounded_up(1.2e-7) == 1e-6


def test_a_largest_error_that_no_export_passes_with(classifier, tmp_path):
    model, tokenizer, _ = export_as(classifier, tmp_path)
    description = describe_export(model, tokenizer, ExportOptions(lengths=[LENGTH]), [LENGTH], "")
    write_golden(tmp_path, description, tokenizer, 0.4)
    faults = list(golden_faults(tmp_path / "golden.json", description, tokenizer, 1e-3))
    assert faults == [
        "golden.json next to the package states a largest_error above the limit of exports"
    ]
