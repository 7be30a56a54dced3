"""Core ML packages in `compare`: which function reads which text, and what it says."""

import json
import shutil

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.into_model import fold_temperature
from mlx_finbert.compare import main
from mlx_finbert.convert import package_classifier
from mlx_finbert.convert.any_model import open_models
from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.package_classifier import PackageClassifier
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.errors import InputError

pytestmark = pytest.mark.usefixtures("few_texts")

LENGTHS = [7, 12, 20]
LABELS = ["negative", "neutral", "positive"]
TEXTS = [
    " ".join(["profit", verb, "by 3 percent"][:count] + ["in the quarter"] * (count - 3))
    for count in range(1, 11)
    for verb in ("rose", "fell")
]
"""Texts of 3 to 26 tokens."""


def rows_of(texts=TEXTS):
    ids = np.random.default_rng(0).integers(0, 3, len(texts)).astype(np.int32)
    return LabelledTexts(list(texts), ids, LABELS, "made")


@pytest.fixture
def folder(checkpoint):
    """A checkpoint that gives all labels to TEXTS, calibrated."""
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    random = np.random.default_rng(1)
    for name, value in weights.items():
        if value.ndim == 2:
            weights[name] = mx.array(random.normal(0, 0.5, value.shape).astype(np.float32))
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    model, tokenizer = mlx_finbert.load(folder)
    usual = np.log(mlx_finbert.predict_proba(model, tokenizer, TEXTS)).mean(axis=0)
    model.classifier.bias = model.classifier.bias - mx.array(usual)
    fold_temperature(model, 0.7)
    mlx_finbert.save(model, tokenizer, folder)
    answers = mlx_finbert.predict_proba(model, tokenizer, TEXTS).argmax(axis=1)
    assert len(set(answers.tolist())) == 3
    return folder


@pytest.fixture
def exported(folder, tmp_path):
    """Factory of exports of the folder's model: `exported(shapes="enumerated")`."""

    def make(where="app", **options):
        model, tokenizer = mlx_finbert.load(folder)
        options = ExportOptions(**{"lengths": LENGTHS, "precision": "fp32"} | options)
        path = tmp_path / where / "T.mlpackage"
        report = export(model, tokenizer, path, options, source="tiny")
        assert report.passed, str(report)
        return path

    return make


@pytest.fixture
def lengths_run(monkeypatch):
    """The row lengths that the evaluator was given, one for each prediction."""
    found = []

    class Noted(Evaluator):
        def __call__(self, feeds):
            found.append(feeds["input_ids"].shape[1])
            return super().__call__(feeds)

    monkeypatch.setattr(package_classifier, "Evaluator", Noted)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shapes": "enumerated"},
        {"target": "iOS18"},
        {"batch": 3},
    ],
    ids=["fixed", "enumerated", "functions", "batches"],
)
def test_each_text_is_read_at_the_shortest_length_that_holds_it(
    folder, exported, lengths_run, options
):
    path = exported(**options)
    names = sorted(found.name for found in path.parent.glob("*.mlpackage"))
    each = ["T-12.mlpackage", "T-20.mlpackage", "T-7.mlpackage"]
    assert names == (["T.mlpackage"] if {"shapes", "target"} & {*options} else each)
    found = PackageClassifier.open(str(path)).measure(rows_of(), 32, None)
    model, tokenizer = mlx_finbert.load(folder)
    expected = mlx_finbert.predict_proba(model, tokenizer, TEXTS, max_length=LENGTHS[-1])
    told = np.exp(found.logits) / np.exp(found.logits).sum(axis=1, keepdims=True)
    assert np.abs(told - expected).max() < 1e-5
    sizes = [len(tokenizer(text)["input_ids"]) for text in TEXTS]
    assert found.truncated == sum(size > LENGTHS[-1] for size in sizes) > 0
    at = [next((n for n in LENGTHS if size <= n), LENGTHS[-1]) for size in sizes]
    rows = options.get("batch", 1)
    assert lengths_run == [n for n in LENGTHS for _ in range(-(-at.count(n) // rows))]
    assert {*lengths_run} == {*LENGTHS}


def test_one_package_of_an_export_alone(folder, exported, lengths_run):
    path = exported().with_name("T-12.mlpackage")
    found = PackageClassifier.open(f"{path}/").measure(rows_of(), 32, None)
    assert lengths_run == [12] * len(TEXTS)
    model, tokenizer = mlx_finbert.load(folder)
    expected = mlx_finbert.predict_proba(model, tokenizer, TEXTS, max_length=12)
    assert (found.logits.argmax(axis=1) == expected.argmax(axis=1)).all()
    sizes = [len(tokenizer(text)["input_ids"]) for text in TEXTS]
    assert found.truncated == sum(size > 12 for size in sizes)


def test_rows_are_cut_to_a_shorter_length_if_asked(folder, exported, lengths_run):
    package = PackageClassifier.open(str(exported(shapes="enumerated")))
    package.measure(rows_of(), 32, 10)
    assert {*lengths_run} == {7, 12}
    with pytest.raises(InputError, match="`max_length` is 2: it must be at least 3"):
        package.measure(rows_of(), 32, 2)


def test_a_package_and_its_model_in_the_command(folder, exported, tmp_path, capsys):
    """The model's record of seen texts holds for the package too."""
    path = exported(shapes="enumerated")
    rows = rows_of()
    seen = SeenTexts.of(rows.take(np.arange(4), "old"), rows.take(np.arange(0), "old"))
    (folder / "seen_texts.tsv").write_bytes(seen.to_bytes())
    table = tmp_path / "made.csv"
    lines = [f"{text},{LABELS[i]}" for text, i in zip(TEXTS, rows.label_ids, strict=True)]
    table.write_text("\n".join(["text,label", *lines]))
    argv = [str(folder), str(path), "--data", str(table), "--max-length", "20"]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 16 and found["rows_that_differ"] == 0
    assert [entry["seen_rows_checked"] for entry in found["models"]] == [True, True]
    one, other = found["models"]
    assert one["accuracy"] == other["accuracy"] and one["truncated"] == other["truncated"] > 0
    for name in ("loss", "ece", "brier"):
        assert one[name] == pytest.approx(other[name], abs=1e-5)
    (difference,) = found["differences"]
    assert difference["mcnemar_p"] == 1.0


def test_a_package_of_another_model_is_not_taken_for_one_of_this(folder, exported, checkpoint):
    path = exported(shapes="enumerated")
    rows = rows_of()
    folders = folder, checkpoint(name="other")
    for one in folders:
        (one / "seen_texts.tsv").write_bytes(SeenTexts.of(rows, rows).to_bytes())
    own, other, package = open_models([*map(str, folders), str(path)])
    assert package.run.seen == own.run.seen and package.run.model == str(path)
    other, package = open_models([str(folders[1]), str(path)])
    assert other.run.seen and package.run.seen is None


def test_packages_of_two_exports_are_refused(exported):
    path, other = exported(lengths=[7]), exported("later", lengths=[12], layout="plain")
    shutil.move(other.with_name("T-12.mlpackage"), path.parent)
    with pytest.raises(InputError, match=r"T-7.mlpackage and .*T-12.mlpackage are of two exports"):
        PackageClassifier.open(str(path))


def test_a_missing_package(tmp_path):
    with pytest.raises(InputError, match=r"T.mlpackage: there is no such package; check the path"):
        PackageClassifier.open(str(tmp_path / "T.mlpackage"))
