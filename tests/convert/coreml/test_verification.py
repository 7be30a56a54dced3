"""Faults in the file, and between two files: the verification finds them."""

import json

import pytest
from small_models import LENGTH

from mlx_finbert.convert.coreml import ExportOptions, export, layouts
from mlx_finbert.convert.coreml.mil import mb
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.verification import Verifier


def export_small(classifier, tmp_path, **options):
    """A package that passed, and what holds it against its model."""
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=[LENGTH], **options)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    description = report.description
    verifier = Verifier(description.reference, tokenizer, description.vocabulary, options)
    return verifier, report.paths[0]


def faults_of(verifier, path):
    return [
        fault for part in verifier.verify(SavedPackage(path), [LENGTH]) for fault in part.faults
    ]


@pytest.mark.parametrize("options", [{}, {"compress": "int8"}, {"precision": "fp32"}])
def test_an_altered_weight_is_found(classifier, tmp_path, options):
    verifier, path = export_small(classifier, tmp_path, **options)
    weights = path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    data = bytearray(weights.read_bytes())
    # Past the storage's header and the first weight's: an odd byte holds sign and exponent.
    data[64 + 64 + 1] ^= 0x40
    weights.write_bytes(data)
    assert any("is spoiled" in fault for fault in faults_of(verifier, path))


def metadata(name, value):
    return lambda spec: spec.description.metadata.userDefined.update({f"mlx_finbert.{name}": value})


CHANGES = {
    "the specification version is 8, not 7": lambda spec: setattr(spec, "specificationVersion", 8),
    "the labels in the metadata": metadata("labels", '["positive", "neutral", "negative"]'),
    "the vocabulary in the metadata": metadata("vocabulary", "[PAD]\n"),
    "made of other weights": metadata("source_sha256", "0"),
    "the classifier's outputs are named": lambda spec: setattr(
        spec.description, "predictedProbabilitiesName", "logits"
    ),
}


@pytest.mark.parametrize("words", CHANGES)
def test_an_altered_specification_is_found(classifier, tmp_path, words):
    verifier, path = export_small(classifier, tmp_path)
    package = SavedPackage(path)
    CHANGES[words](package.spec)
    file = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    assert any(words in fault for fault in faults_of(verifier, path))


def test_labels_beside_the_package_are_held_against_the_model(classifier, tmp_path):
    verifier, path = export_small(classifier, tmp_path)
    (path.parent / "labels.json").write_text(json.dumps(["a", "b", "c"]))
    assert any("labels.json beside the package" in fault for fault in faults_of(verifier, path))


def test_a_tensor_that_was_not_compressed_is_found(classifier, tmp_path):
    verifier, path = export_small(classifier, tmp_path)
    verifier.options.compress = "int8"
    faults = faults_of(verifier, path)
    assert "word_embeddings was not compressed" in faults
    assert "layer_0_query_weight was not compressed" in faults
    assert not any("position_embeddings" in fault or "bias" in fault for fault in faults)


def test_another_layout_or_length_than_asked_for_is_found(classifier, tmp_path):
    verifier, path = export_small(classifier, tmp_path)
    verifier.options.layout = "plain"
    assert any("does not belong to the layout plain" in f for f in faults_of(verifier, path))
    verifier.options.layout = "ane"
    (figures,) = verifier.verify(SavedPackage(path), [LENGTH + 1])
    assert any("the inputs are" in fault for fault in figures.faults)


def test_padding_that_leaks_between_lengths_is_found(classifier, tmp_path, monkeypatch):
    """Two packages that disagree on a row that both hold."""
    model, tokenizer = classifier("bert")
    true = layouts.AneLayout.norm

    def norm(form, x, norm, name):
        found = true(form, x, norm, name)
        return mb.mul(x=found, y=form.const(form.length / LENGTH, f"{name}_factor"))

    monkeypatch.setattr(layouts.AneLayout, "norm", norm)
    options = ExportOptions(lengths=[LENGTH, 9])
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    first, second = (package.functions[0] for package in report.packages)
    assert first.exact_padding_error < 1e-6 < 1e-3 < second.exact_padding_error
    assert any("with other padding" in fault for fault in second.faults)


def test_a_rejected_package_keeps_what_is_there(classifier, tmp_path, monkeypatch):
    _, path = export_small(classifier, tmp_path)
    model, tokenizer = classifier("bert")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    monkeypatch.setattr(layouts, "MASK_FILL", 1.0)
    options = ExportOptions(lengths=[LENGTH], overwrite=True)
    for name in ("T-7.mlpackage.rejected", "T-7.mlpackage.rejected-2"):
        report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
        assert not report.passed and report.paths == [tmp_path / name]
        assert (tmp_path / name / "Manifest.json").is_file()
    assert all(file.read_bytes() == data for file, data in before.items())
    assert path.is_dir() and "FAULT" in str(report)
