"""Exports of small models: files, metadata, forms, refusals."""

import dataclasses
import hashlib
import json

import mlx.core as mx
import numpy as np
import pytest
from small_models import LENGTH, read_json

from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.rows import text_of, token_rows, verification_texts
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.data import load_texts
from mlx_finbert.errors import InputError
from mlx_finbert.predict import predict


def run(classifier, path, family="bert", config=None, **options):
    model, tokenizer = classifier(family, **config or {})
    options = ExportOptions(**{"lengths": [LENGTH]} | options)
    return model, tokenizer, export(model, tokenizer, path / "T.mlpackage", options, source="tiny")


FORMS = [
    {},
    {"layout": "plain"},
    {"precision": "fp32"},
    {"layout": "plain", "precision": "fp32", "outputs": "arrays", "batch": 3},
    {"compress": "int8"},
    {"compress": "int8", "layout": "plain", "target": "iOS18", "outputs": "arrays"},
    {"target": "iOS17", "compress": "int8"},
]


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_passes_its_verification(classifier, tmp_path, family, form):
    _, _, report = run(classifier, tmp_path, family, **form)
    assert report.passed, str(report)
    figures = report.packages[0].functions[0]
    assert figures.exact_error < 1e-5
    assert figures.exact_padding_error < 1e-5
    assert figures.operations and figures.largest > 0


@pytest.mark.parametrize("form", [{}, {"compress": "int8", "layout": "plain"}], ids=str)
def test_several_lengths_in_one_package(classifier, tmp_path, form):
    form = form | {"multifunction": True, "target": "iOS18", "outputs": "arrays"}
    model, _, report = run(classifier, tmp_path, lengths=[LENGTH, 13, 10], **form)
    assert report.passed, str(report)
    (path,) = report.paths
    assert path.name == "T.mlpackage"
    package = SavedPackage(path)
    assert set(package.functions) == {"length_7", "length_10", "length_13"}
    assert package.spec.description.defaultFunctionName == "length_13"
    assert package.metadata["mlx_finbert.labels"] == json.dumps(model.args.labels)
    assert json.loads(package.metadata["mlx_finbert.lengths"]) == [7, 10, 13]
    assert package.spec.description.metadata.author == "exported with mlx-finbert"
    for function in package.spec.description.functions:
        assert all(feature.shortDescription for feature in (*function.input, *function.output))
    _, _, single = run(classifier, tmp_path / "one", lengths=[13], **form)
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    shared, alone = ((r.paths[0] / weights).stat().st_size for r in (report, single))
    assert shared < 1.3 * alone


def test_one_package_a_length_by_default(classifier, tmp_path):
    _, _, report = run(classifier, tmp_path / "app", lengths=None)
    # The model has 40 positions.
    assert [path.name for path in report.paths] == ["T-32.mlpackage"]
    assert sorted(file.name for file in (tmp_path / "app").iterdir()) == [
        "T-32.mlpackage", "export.json", "golden.json", "labels.json", "vocab.txt",
    ]  # fmt: skip
    assert ExportOptions().lengths_for(512, 512) == [32, 64, 128]
    assert ExportOptions().lengths_for(100, 512) == [32, 64]
    assert ExportOptions().lengths_for(20, 512) == [20]


def test_metadata_and_the_files_beside(classifier, tmp_path):
    words = {"author": "A", "license": "MIT", "model_version": "2.1", "description": "D"}
    config = {"calibration_temperature": 1.25}
    model, _, report = run(classifier, tmp_path, config=config, **words)
    package = SavedPackage(report.paths[0])
    metadata = package.spec.description.metadata
    found = (metadata.author, metadata.license, metadata.versionString, metadata.shortDescription)
    assert found == ("A", "MIT", "2.1", "D")
    description = package.spec.description
    assert [f.name for f in description.input] == ["input_ids", "attention_mask"]
    assert [f.name for f in description.output] == ["label", "probabilities", "logits"]
    assert all(f.shortDescription for f in (*description.input, *description.output))

    own = {k.removeprefix("mlx_finbert."): v for k, v in package.metadata.items()}
    vocabulary = (tmp_path / "vocab.txt").read_bytes()
    assert own["vocabulary"].encode() == vocabulary
    assert own["vocabulary_sha256"] == hashlib.sha256(vocabulary).hexdigest()
    assert vocabulary.decode().splitlines()[2:4] == ["[CLS]", "[SEP]"]
    assert json.loads(own["labels"]) == read_json(tmp_path / "labels.json") == model.args.labels
    assert json.loads(own["temperature"]) == 1.25
    assert (own["source"], own["max_length"]) == ("tiny", "40")
    rules = json.loads(own["tokenizer"])
    assert (rules["kind"], rules["lowercase"], rules["strip_accents"]) == ("wordpiece", True, True)
    assert rules["special_tokens"]["sep"] == {"token": "[SEP]", "id": 3}
    assert not any("date" in key for key in package.metadata)

    record = read_json(tmp_path / "export.json")
    (entry,) = record["packages"].values()
    for name, digest in entry["sha256"].items():
        data = (report.paths[0] / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
    assert entry["functions"][0]["exact_error"] < 1e-5
    assert record["source_sha256"] == own["source_sha256"]
    assert set(record["versions"]) == {"mlx-finbert", "mlx", "coremltools", "numpy"}


def test_a_byte_pair_vocabulary_comes_with_its_merges(classifier, tmp_path):
    _, tokenizer, report = run(classifier, tmp_path, "roberta")
    metadata = SavedPackage(report.paths[0]).metadata
    assert json.loads(metadata["mlx_finbert.tokenizer"])["kind"] == "byte_pair"
    tokens = (tmp_path / "vocab.txt").read_text().splitlines()
    assert tokens == tokenizer.convert_ids_to_tokens(range(len(tokens)))


def test_golden_texts(classifier, tmp_path):
    model, tokenizer, _ = run(classifier, tmp_path, lengths=[LENGTH, 20])
    golden = read_json(tmp_path / "golden.json")
    texts = [entry["text"] for entry in golden["texts"]]
    assert len(set(texts)) == len(texts) >= 60
    assert golden["labels"] == model.args.labels and golden["tolerance"] == 2e-3
    expected = predict(model, tokenizer, texts, max_length=20)
    for entry, probabilities in zip(golden["texts"], expected, strict=True):
        ids = tokenizer(entry["text"], truncation=True, max_length=20)["input_ids"]
        assert entry["input_ids"] == ids
        assert entry["length"] == (LENGTH if len(ids) <= LENGTH else 20)
        assert np.abs(probabilities - entry["probabilities"]).max() < 1e-5
        assert entry["label"] == model.args.labels[int(np.argmax(probabilities))]


@pytest.mark.parametrize("form", [{}, {"compress": "int8", "layout": "plain"}], ids=str)
def test_the_same_input_gives_the_same_bytes(classifier, tmp_path, form):
    files = []
    for name in ("a", "b"):
        _, _, report = run(classifier, tmp_path / name, lengths=[LENGTH, 9], **form)
        found = sorted(file for file in report.folder.rglob("*") if file.is_file())
        files.append({str(f.relative_to(report.folder)): f.read_bytes() for f in found})
    assert files[0] == files[1] and len(files[0]) == 10


def test_a_checkpoint_in_half_precision_is_held_against_its_float32(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    model.set_dtype(mx.bfloat16)
    options = ExportOptions(lengths=[LENGTH])
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    assert model.classifier.weight.dtype == mx.bfloat16


def test_calibration(classifier, tmp_path):
    config = {"calibration_temperature": 3.0}
    model, tokenizer, on = run(classifier, tmp_path / "on", config=config)
    options = ExportOptions(lengths=[LENGTH], calibration="off")
    off = export(model, tokenizer, tmp_path / "off" / "T.mlpackage", options)
    assert on.passed and off.passed
    kinds = [r.packages[0].functions[0].operations["mul"] for r in (on, off)]
    assert kinds == [2, 1]
    probabilities = [
        [e["probabilities"] for e in read_json(r.folder / "golden.json")["texts"]]
        for r in (on, off)
    ]
    assert np.max(probabilities[0]) < np.max(probabilities[1])


def test_validation_measures_both_on_the_same_rows(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    rows = load_texts("sample").take(np.arange(40), "forty rows")
    options = ExportOptions(lengths=[LENGTH, 16, 32], compress="int8")
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options, rows=rows)
    found = report.validation
    labels = [model.args.labels.index(rows.label_names[label]) for label in rows.labels]
    expected = predict(model, tokenizer, rows.texts).argmax(1)
    assert found.model_accuracy == pytest.approx(np.mean(expected == labels))
    assert found.agreement > 0.8 and found.rows == 40
    assert found.cut == sum(len(tokenizer(text)["input_ids"]) > 32 for text in rows.texts)
    assert "forty rows, 40 rows: accuracy" in str(report)
    assert read_json(tmp_path / "export.json")["validation"]["rows"] == 40


def test_verification_texts(classifier):
    _, tokenizer = classifier("bert")
    for length in (3, LENGTH, 40):
        texts = verification_texts(tokenizer, length)
        assert len(texts) >= 8
        rows = dict(zip(texts, token_rows(tokenizer, list(texts.values()), length), strict=True))
        assert len(rows["empty"]) == 2 and len(rows["one token"]) == 3
        assert len(rows["exactly full"]) == len(rows["over-long"]) == length
        assert len(tokenizer(text_of(tokenizer, length))["input_ids"]) == length
        assert set(rows["all unknown"][1:-1]) == {tokenizer.unk_token_id}


def refused(classifier, path, words, change=lambda model, tokenizer: None, **options):
    model, tokenizer = classifier("bert")
    change(model, tokenizer)
    with pytest.raises(InputError, match=words) as caught:
        export(model, tokenizer, path / "T.mlpackage", ExportOptions(**options))
    assert "\n" not in str(caught.value)
    assert not list(path.glob("*mlpackage*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lengths": [41]}, "--lengths 41: from 3 to 40"),
        ({"lengths": [2]}, "--lengths 2: from 3 to 40"),
    ],
)
def test_lengths_that_the_model_cannot_have(classifier, tmp_path, options, words):
    refused(classifier, tmp_path, words, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lengths": [7, 9, 7]}, "--lengths names 7 twice"),
        ({"batch": 2}, "--batch is 2: .* add --outputs arrays"),
        ({"batch": 0}, "--batch is 0"),
        ({"batch": 2.0}, "--batch is 2.0: of type int"),
        ({"lengths": []}, "--lengths is empty"),
        ({"lengths": ["7"]}, "--lengths is .*: a list of int"),
        ({"author": None}, "--author is None: of type str"),
        ({"license": "\ud800"}, "--license is .* half a character"),
        ({"multifunction": True, "outputs": "arrays"}, "--target is iOS16: .* --target iOS18"),
        ({"multifunction": True, "target": "iOS18"}, "add --outputs arrays"),
        ({"compress": "palette6", "precision": "fp32"}, "--compress palette6 with --precision"),
        ({"layout": "gpu"}, "--layout is gpu: one of ane, plain"),
        ({"target": "iOS15"}, "--target is iOS15: one of iOS16"),
    ],
)
def test_options_that_do_not_go_together(options, words):
    with pytest.raises(InputError, match=words):
        ExportOptions(**options)


def test_labels_that_cannot_be_told_apart(classifier, tmp_path):
    def relabel(*labels):
        return lambda model, _: setattr(model.args, "id2label", dict(enumerate(labels)))

    refused(classifier, tmp_path, "stands twice", relabel("a", "b", "a"))
    refused(classifier, tmp_path, "is empty", relabel("a", "b", ""))
    refused(classifier, tmp_path, "half a character", relabel("a", "b", "\ud800"))
    refused(classifier, tmp_path, "head has 3 outputs, but there are 2", relabel("a", "b"))


def test_weights_that_half_precision_cannot_hold(classifier, tmp_path):
    def enlarge(model, _):
        model.bert.pooler.dense.weight[0, 0] = 70000.0

    words = r"bert\.pooler\.dense\.weight has values beyond 65504, .* add --precision fp32"
    refused(classifier, tmp_path, words, enlarge)

    def spoil(model, _):
        model.classifier.bias[0] = float("inf")

    refused(classifier, tmp_path, r"classifier\.bias is not finite", spoil)


def test_a_vocabulary_of_another_size(classifier, tmp_path):
    words = r"tokenizer has 113 tokens and the model's embedding 112 rows"
    refused(classifier, tmp_path, words, lambda _, tokenizer: tokenizer.add_tokens(["new"]))


def test_outputs(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=[LENGTH])
    with pytest.raises(InputError, match=r"T\.mlmodel does not end in \.mlpackage"):
        export(model, tokenizer, tmp_path / "T.mlmodel", options)
    export(model, tokenizer, tmp_path / "T.mlpackage", options)
    with pytest.raises(InputError, match=r"T-7\.mlpackage exists: .* add --overwrite"):
        export(model, tokenizer, tmp_path / "T.mlpackage", options)
    with pytest.raises(InputError, match=r"vocab\.txt exists: choose another folder"):
        export(model, tokenizer, tmp_path / "Other.mlpackage", options)
    model.classifier.bias[0] = 1.0
    options = dataclasses.replace(options, overwrite=True)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    digest = SavedPackage(report.paths[0]).metadata["mlx_finbert.source_sha256"]
    assert report.passed and digest == report.source_sha256
    assert not list(tmp_path.glob(".part*"))


def test_an_interrupted_export_leaves_nothing(classifier, tmp_path, monkeypatch):
    model, tokenizer = classifier("bert")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlx_finbert.convert.coreml.exporter.write_export_json", stop)
    with pytest.raises(KeyboardInterrupt):
        export(model, tokenizer, tmp_path / "app" / "T.mlpackage", ExportOptions(lengths=[LENGTH]))
    assert not list((tmp_path / "app").iterdir())
