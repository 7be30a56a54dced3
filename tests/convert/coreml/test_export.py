"""Exports of small models: their forms, and what is refused."""

import dataclasses
import errno
import gc
import json
import os
import re
import subprocess
import sys
import tempfile

import mlx.core as mx
import numpy as np
import pytest
from small_packages import LENGTH, export_as, read_json

import mlx_finbert
from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.errors import InputError
from mlx_finbert.files import folder_commit

pytestmark = pytest.mark.usefixtures("few_texts")

FORMS = [
    {},
    {"layout": "plain"},
    {"precision": "fp32"},
    {"layout": "plain", "precision": "fp32", "outputs": "arrays", "batch": 3},
    {"compress": "int8"},
    {"compress": "int8", "layout": "plain", "target": "iOS18", "outputs": "arrays"},
    {"target": "iOS17", "compress": "int8"},
    {"target": "iOS26"},
]


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_passes_its_verification(classifier, tmp_path, family, form):
    _, _, report = export_as(classifier, tmp_path, family, **form)
    assert report.passed, str(report)
    figures = report.packages[0].functions[0]
    assert figures.exact_error < 1e-5
    assert figures.exact_padding_error < 1e-5
    assert figures.operations and figures.largest > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    [
        {"target": "iOS18"},
        {"target": "iOS18", "compress": "int8", "layout": "plain"},
        {"target": "iOS26", "multifunction": True, "outputs": "arrays"},
    ],
    ids=str,
)
def test_several_lengths_are_functions_of_one_package_from_ios18_on(classifier, tmp_path, form):
    model, _, report = export_as(classifier, tmp_path, lengths=[LENGTH, 13, 10], **form)
    assert report.passed, str(report)
    (path,) = report.paths
    assert path.name == "T.mlpackage"
    assert "arrays, multifunction\n" in str(report) and "packages," not in str(report)
    package = SavedPackage(path)
    assert all(set(f.outputs) == {"probabilities", "logits"} for f in package.functions.values())
    assert set(package.functions) == {"length_7", "length_10", "length_13"}
    assert package.spec.description.defaultFunctionName == "length_13"
    assert package.metadata["mlx_finbert.labels"] == json.dumps(model.args.labels)
    assert json.loads(package.metadata["mlx_finbert.lengths"]) == [7, 10, 13]
    assert package.spec.description.metadata.author == "exported with mlx-finbert"
    for function in package.spec.description.functions:
        assert all(feature.shortDescription for feature in (*function.input, *function.output))
    _, _, single = export_as(classifier, tmp_path / "one", lengths=[13], **form)
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    shared, alone = ((r.paths[0] / weights).stat().st_size for r in (report, single))
    assert shared < 1.3 * alone


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"target": "iOS18", "outputs": "classifier"},
        {"target": "iOS18", "multifunction": False},
        {"target": "iOS17", "batch": 2},
    ],
    ids=str,
)
def test_a_wish_is_not_overridden(classifier, tmp_path, form):
    _, _, report = export_as(classifier, tmp_path, lengths=[LENGTH, 13], **form)
    assert report.passed, str(report)
    assert [path.name for path in report.paths] == ["T-7.mlpackage", "T-13.mlpackage"]
    outputs = {tuple(sorted(SavedPackage(p).functions["main"].outputs)) for p in report.paths}
    arrays = ("logits", "probabilities")
    assert outputs == {arrays if "batch" in form else ("label", *arrays)}


def test_one_length_needs_no_functions(classifier, tmp_path):
    _, _, report = export_as(classifier, tmp_path, target="iOS18")
    assert [path.name for path in report.paths] == ["T-7.mlpackage"]
    assert "label" in SavedPackage(report.paths[0]).functions["main"].outputs


@pytest.mark.slow
def test_the_sum_of_several_packages_is_said(classifier, tmp_path):
    _, _, report = export_as(classifier, tmp_path, lengths=[LENGTH, 9, 13])
    total = sum(f.stat().st_size for p in report.paths for f in p.rglob("*") if f.is_file())
    assert report.bytes == total == read_json(tmp_path / "export.json")["bytes"]
    assert f"3 packages, {total / 1e6:.1f} MB in an app" in str(report)
    _, _, single = export_as(classifier, tmp_path / "one")
    assert "in an app" not in str(single) and single.bytes == single.packages[0].bytes


@pytest.mark.parametrize(
    ("form", "less"),
    [
        ({}, "enumerated`, or `target=iOS18` `multifunction=True` `outputs=arrays`)"),
        ({"batch": 2}, "enumerated`, or `target=iOS18` `multifunction=True`)"),
        ({"target": "iOS18", "multifunction": False}, "or `multifunction=True` `outputs=arrays`)"),
        ({"compress": "int8"}, "; one length (`lengths=9`)\n"),
    ],
    ids=str,
)
def test_flags_for_less_are_those_that_are_left(classifier, tmp_path, form, less):
    _, _, report = export_as(classifier, tmp_path, lengths=[LENGTH, 9], **form)
    assert less in str(report)
    assert ("`compress=int8`" in str(report)) == ("compress" not in form)


def test_one_package_a_length_by_default(classifier, tmp_path):
    _, _, report = export_as(classifier, tmp_path / "app", lengths=None)
    # The model has 40 positions.
    assert [path.name for path in report.paths] == ["T-32.mlpackage"]
    assert sorted(file.name for file in (tmp_path / "app").iterdir()) == [
        "T-32.mlpackage", "export.json", "golden.json", "labels.json", "tokenizer.json",
        "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip


@pytest.mark.usefixtures("new_conversions")
@pytest.mark.slow
@pytest.mark.parametrize("form", [{}, {"compress": "int8", "layout": "plain"}], ids=str)
def test_the_same_input_gives_the_same_bytes(classifier, tmp_path, form):
    files = []
    for name in ("a", "b"):
        _, _, report = export_as(classifier, tmp_path / name, lengths=[LENGTH, 9], **form)
        found = sorted(file for file in report.folder.rglob("*") if file.is_file())
        files.append({str(f.relative_to(report.folder)): f.read_bytes() for f in found})
    assert files[0] == files[1] and len(files[0]) == 12
    assert not any(str(tmp_path).encode() in data for data in files[0].values())


def test_a_checkpoint_in_half_precision_is_held_against_its_float32(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    model.set_dtype(mx.bfloat16)
    options = ExportOptions(lengths=[LENGTH])
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    assert model.classifier.weight.dtype == mx.bfloat16


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_recorded_temperature_is_in_the_package(classifier, tmp_path, family):
    raw, tokenizer = classifier(family)
    folder = mlx_finbert.save(raw, tokenizer, tmp_path / "model")
    config = read_json(folder / "config.json") | {"calibration_temperature": 3.0}
    (folder / "config.json").write_text(json.dumps(config))
    model, tokenizer = mlx_finbert.load(folder)
    options = ExportOptions(lengths=[40])
    report = export(model, tokenizer, tmp_path / "out" / "T.mlpackage", options)
    assert report.passed, str(report)
    golden = read_json(report.folder / "golden.json")["texts"]
    texts = [entry["text"] for entry in golden]
    found = [entry["probabilities"] for entry in golden]
    np.testing.assert_allclose(found, mlx_finbert.predict_proba(model, tokenizer, texts), atol=1e-5)
    cubes = mlx_finbert.predict_proba(raw, tokenizer, texts).astype(np.float64) ** (1 / 3)
    np.testing.assert_allclose(found, cubes / cubes.sum(axis=1, keepdims=True), atol=1e-5)


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
        ({"lengths": [41]}, "`lengths=41`: it must be from 3 to 40"),
        ({"lengths": [2]}, "`lengths=2`: it must be from 3 to 40"),
    ],
)
def test_lengths_that_the_model_cannot_have(classifier, tmp_path, options, words):
    refused(classifier, tmp_path, words, **options)


def test_labels_that_cannot_be_told_apart(classifier, tmp_path):
    def relabel(*labels):
        return lambda model, _: setattr(model.args, "id2label", dict(enumerate(labels)))

    refused(classifier, tmp_path, "occurs twice", relabel("a", "b", "a"))
    refused(classifier, tmp_path, "is empty", relabel("a", "b", ""))
    refused(classifier, tmp_path, "half of a surrogate pair", relabel("a", "b", "\ud800"))
    refused(classifier, tmp_path, "head has 3 outputs, but there are 2", relabel("a", "b"))


def test_weights_that_half_precision_cannot_hold(classifier, tmp_path):
    def enlarge(model, _):
        model.bert.pooler.dense.weight[0, 0] = 70000.0

    words = r"bert\.pooler\.dense\.weight has values beyond 65504, .* add `precision=fp32`"
    refused(classifier, tmp_path, words, enlarge)

    def spoil(model, _):
        model.classifier.bias[0] = float("inf")

    refused(classifier, tmp_path, r"classifier\.bias is not finite", spoil)


def with_rows(model, rows):
    """The model with so many rows in its embedding, the new ones as they are initialized."""
    embedding = model.bert.embeddings.word_embeddings
    old = np.array(embedding.weight)
    new = np.random.default_rng(5).normal(0, 0.05, (max(rows - len(old), 0), old.shape[1]))
    embedding.weight = mx.array(np.concatenate([old, new.astype(np.float32)])[:rows])
    model.args.vocab_size = rows


def test_a_token_without_a_row_is_refused(classifier, tmp_path):
    words = r"token 'new' has the id 112, but the model's embedding has 112 rows: use the tokenizer"
    refused(classifier, tmp_path, words, lambda _, tokenizer: tokenizer.add_tokens(["new"]))


@pytest.mark.parametrize("form", [{}, {"compress": "int8"}, {"layout": "plain"}], ids=str)
def test_rows_that_no_token_reaches_are_left_out(classifier, tmp_path, form):
    """As after pad_to_multiple_of=64, in NVIDIA's BERT and in others."""
    model, tokenizer = classifier("bert")
    with_rows(model, 128)
    options = ExportOptions(lengths=[LENGTH], **form)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed and "left out: 16 embedding rows that no token uses" in str(report)
    assert read_json(tmp_path / "export.json")["embedding_rows_left_out"] == 16
    function = SavedPackage(report.paths[0]).functions["main"]
    shapes = {tensor.name: tensor.shape for op in function.operations for tensor in op.outputs}
    (rows,) = {shape[0] for name, shape in shapes.items() if name.startswith("word_embeddings")}
    assert rows == len(tokenizer) == 112

    model, tokenizer = classifier("bert")
    report = export(model, tokenizer, tmp_path / "whole" / "T.mlpackage", options)
    assert "left out" not in str(report)
    assert read_json(tmp_path / "whole" / "export.json")["embedding_rows_left_out"] == 0


def test_added_tokens(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    tokenizer.add_tokens(["EBITDA", "book-to-bill", "[TICKER]"])
    with_rows(model, len(tokenizer))
    options = ExportOptions(lengths=[LENGTH])
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    rules = json.loads(SavedPackage(report.paths[0]).metadata["mlx_finbert.tokenizer"])
    contents = [token["content"] for token in rules["added_tokens"]]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert contents == [*special, "EBITDA", "book-to-bill", "[TICKER]"]
    texts = [entry["text"] for entry in read_json(tmp_path / "golden.json")["texts"]]
    for content in contents:
        assert {f"net {content} sales", f"net{content}sales, {content}s"} <= set(texts)


def test_outputs(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=[LENGTH])
    with pytest.raises(InputError, match=r"T\.mlmodel` must end in \.mlpackage"):
        export(model, tokenizer, tmp_path / "T.mlmodel", options)
    export(model, tokenizer, tmp_path / "T.mlpackage", options)
    with pytest.raises(InputError, match=r"T-7\.mlpackage exists: .* add `overwrite=True`"):
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
    assert not (tmp_path / "app").exists()


def full_python_file(*_, **__):
    """Run out of space as Python reports it, with a file open that removes itself."""
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115
    file.write(b"part of the program")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_native_file(*_, **__):
    raise RuntimeError("filesystem error: cannot copy: Input/output error [/a/b.mlmodel] [/a/c]")


def full_weight_file(*_, **__):
    raise RuntimeError("[MIL FileWriter]: Unknown error occurred while writing data to the file.")


@pytest.mark.parametrize(
    "convert, words",
    [
        (full_weight_file, r"its [\d.]+ KB cannot be written: .*while writing data to the file.$"),
        (full_python_file, r"No space left on device: it needs more than [\d.]+ KB, and the disk"),
        (full_native_file, r"its [\d.]+ KB cannot be written: .*: Input/output error$"),
    ],
)
def test_a_disk_that_coremltools_fills_is_told_by_name(
    classifier, tmp_path, monkeypatch, convert, words
):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    monkeypatch.setattr("mlx_finbert.convert.coreml.package.ct.convert", convert)
    target = tmp_path / "app" / "T.mlpackage"
    with pytest.raises(OSError) as caught:
        export(*classifier("bert"), target, ExportOptions(lengths=[LENGTH]))
    assert caught.value.filename == str(target.parent)
    assert re.match(words, caught.value.strerror)
    del caught
    gc.collect()
    assert not unraisable and not target.parent.exists()


def test_other_errors_of_coremltools_stay(classifier, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such operation")

    monkeypatch.setattr("mlx_finbert.convert.coreml.package.ct.convert", fail)
    with pytest.raises(RuntimeError, match="no such operation"):
        export(*classifier("bert"), tmp_path / "T.mlpackage", ExportOptions(lengths=[LENGTH]))


@pytest.mark.parametrize("moves", [0, 3])
def test_an_export_killed_among_its_moves_is_made_again(classifier, tmp_path, monkeypatch, moves):
    model, tokenizer = classifier("bert")
    target, options = tmp_path / "app" / "T.mlpackage", ExportOptions(lengths=[LENGTH])
    left, put = iter(range(moves)), folder_commit._put

    def killed(*names):
        if next(left, None) is None:
            raise KeyboardInterrupt
        put(*names)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder_commit, "_put", killed)
        export(model, tokenizer, target, options)
    (target.parent / ".part-dead1234").mkdir()
    assert export(model, tokenizer, target, options).passed
    assert not list(target.parent.glob(".*"))
    with pytest.raises(InputError, match="exists"):
        export(model, tokenizer, target, options)


def test_what_an_export_would_leave_behind_is_refused(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    out = tmp_path / "T.mlpackage"
    export(model, tokenizer, out, ExportOptions(lengths=[LENGTH, 9]))
    with pytest.raises(InputError, match=r"T-9\.mlpackage is from an earlier export"):
        export(model, tokenizer, out, ExportOptions(lengths=[LENGTH], overwrite=True))
    for name in ("merges.txt", "vocab.json"):
        (tmp_path / name).write_text("of RoBERTa\n")
        with pytest.raises(InputError, match=f"{name} is from an earlier export"):
            export(model, tokenizer, out, ExportOptions(lengths=[LENGTH, 9], overwrite=True))
        (tmp_path / name).unlink()


def test_the_folder_of_a_model_is_no_output(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    out = tmp_path / "checkpoint-0" / "T.mlpackage"
    with pytest.raises(InputError, match="checkpoint-0 holds a model: choose another folder"):
        export(model, tokenizer, out, ExportOptions(lengths=[LENGTH], overwrite=True))


def test_a_file_in_the_place_of_a_package_is_replaced_when_asked(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    (tmp_path / "T-7.mlpackage").write_text("a file")
    options = ExportOptions(lengths=[LENGTH], overwrite=True)
    assert export(model, tokenizer, tmp_path / "T.mlpackage", options).paths[0].is_dir()


@pytest.mark.slow
def test_nothing_is_printed(classifier, tmp_path):
    """Whatever was imported before: coremltools draws progress bars."""
    classifier("bert")
    code = (
        "import mlx_finbert, tqdm\n"
        f"model, tokenizer = mlx_finbert.load({str(tmp_path / 'checkpoint-0')!r})\n"
        "from mlx_finbert.convert.coreml import ExportOptions, export\n"
        f"report = export(model, tokenizer, {str(tmp_path / 'app' / 'T.mlpackage')!r},"
        " ExportOptions(lengths=[7], compress='int8'))\n"
        "assert report.passed"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
