"""Faults in the file, and between two files: the verification finds them."""

import shutil

import mlx.core as mx
import numpy as np
import pytest
from small_packages import LENGTH

from mlx_finbert.convert.coreml import (
    ExportOptions,
    export,
    exporter,
    graph,
    layouts,
    readback,
    verification,
)
from mlx_finbert.convert.coreml.exporter import describe_export
from mlx_finbert.convert.coreml.mil import mb
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.verification import Verifier

pytestmark = pytest.mark.usefixtures("few_texts")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture
def export_small(classifier, tmp_path, exports):
    """Factory: what holds a package against its model, and a copy of one that passed."""

    def make(**options):
        model, tokenizer = classifier("bert")
        kept = exports / (" ".join(options.values()) or "default")
        options = ExportOptions(lengths=[LENGTH], **options)
        if not kept.exists():
            report = export(model, tokenizer, kept / "T.mlpackage", options)
            assert report.passed, str(report)
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
        description = describe_export(model, tokenizer, options, [LENGTH], "")
        return Verifier(description, tokenizer), tmp_path / f"T-{LENGTH}.mlpackage"

    return make


def faults_of(verifier, path):
    report = verifier.verify(SavedPackage(path), [LENGTH])
    return [*report.faults, *(fault for part in report.functions for fault in part.faults)]


@pytest.mark.parametrize("options", [{}, {"compress": "int8"}, {"precision": "fp32"}])
def test_an_altered_weight_is_found(export_small, options):
    verifier, path = export_small(**options)
    weights = path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    data = bytearray(weights.read_bytes())
    # Past the storage's header and the first weight's: an odd byte holds sign and exponent.
    data[64 + 64 + 1] ^= 0x40
    weights.write_bytes(data)
    assert any("is wrong" in fault for fault in faults_of(verifier, path))


def metadata(name, value):
    return lambda spec: spec.description.metadata.userDefined.update({f"mlx_finbert.{name}": value})


def main(spec):
    """The operations of the program by their first output."""
    function = spec.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    return {operation.outputs[0].name: operation for operation in operations}


def feed_the_logits(spec):
    classify = main(spec)["label"].inputs["probabilities"].arguments[0]
    classify.name = "logits"


def another_operations_weight(spec):
    weight = main(spec)["layer_0_key"].inputs["weight"].arguments[0]
    assert weight.name == "layer_0_key_weight"
    weight.name = "layer_0_query_weight"


def one_operation_in_float32(spec):
    main(spec)["layer_0_query"].outputs[0].type.tensorType.dataType = 11


def a_foreign_constant(spec):
    main(spec)["one"].outputs[0].name = "foreign"
    for operation in main(spec).values():
        for argument in operation.inputs.values():
            for binding in argument.arguments:
                if binding.name == "one":
                    binding.name = "foreign"


def wrong_logits_shape(spec):
    main(spec)["logits"].outputs[0].type.tensorType.dimensions[1].constant.size = 4


def another_function(spec):
    functions = spec.mlProgram.functions
    functions["evil"].CopyFrom(functions["main"])


def another_opset(spec):
    function = spec.mlProgram.functions["main"]
    function.block_specializations["CoreML8"].CopyFrom(function.block_specializations["CoreML6"])
    function.opset = "CoreML8"


def another_cast(spec):
    dtype = main(spec)["logits"].inputs["dtype"].arguments[0].name
    value = main(spec)[dtype].attributes["val"].immediateValue.tensor.strings
    value.values[0] = "fp16"


def another_constant_shape(spec):
    tensor = main(spec)["classifier_weight"].outputs[0].type.tensorType
    tensor.dimensions[1].constant.size = 16


def another_input_shape(spec):
    spec.description.input[0].type.multiArrayType.shape[1] = 16


CHANGES = [
    ("the specification version is 8, not 7", lambda s: setattr(s, "specificationVersion", 8)),
    ("it is marked as updatable", lambda s: setattr(s, "isUpdatable", True)),
    ("mlx_finbert.labels is not the model's", metadata("labels", '["positive"]')),
    ("mlx_finbert.vocabulary is not the model's", metadata("vocabulary", "[PAD]\n")),
    ("mlx_finbert.tokenizer is not the model's", metadata("tokenizer", "{}")),
    ("mlx_finbert.source_sha256 is not the model's", metadata("source_sha256", "0")),
    (
        "the description of main has the predicted outputs ('label', 'logits')",
        lambda s: setattr(s.description, "predictedProbabilitiesName", "logits"),
    ),
    ("the description of main is", another_input_shape),
    ("the description of main is", lambda s: s.description.ClearField("output")),
    ("its functions are ['evil', 'main']", another_function),
    ("optional", lambda s: setattr(s.description.input[0].type, "isOptional", True)),
    ("a state", lambda s: s.description.state.add()),
    ("uses CoreML8, not CoreML6", another_opset),
    ("mlx_finbert.merges is not the model's: 'a b'", metadata("merges", "a b")),
    ("is a cast to float16, but the file says float32", another_cast),
    ("but the file says (3, 16)", another_constant_shape),
    ("the probabilities are not made by a softmax", feed_the_logits),
    ("in float32, a probability is off", another_operations_weight),
    ("layer_0_query is float32, not float16", one_operation_in_float32),
    ("the constant foreign does not belong to the graph", a_foreign_constant),
    ("the logits have the shape (1, 4)", wrong_logits_shape),
]


@pytest.mark.parametrize(("words", "change"), CHANGES, ids=[words for words, _ in CHANGES])
def test_an_altered_specification_is_found(export_small, words, change):
    verifier, path = export_small(layout="plain")
    package = SavedPackage(path)
    change(package.spec)
    file = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    faults = faults_of(verifier, path)
    assert any(words in fault for fault in faults), faults


def test_logits_that_are_not_the_models_are_found(classifier, tmp_path, monkeypatch):
    """The probabilities alone do not show it."""
    true = graph.forward

    def build(network, length, options):
        @graph.mb.program(
            input_specs=[mb.TensorSpec((1, length), dtype=graph.types.int32) for _ in range(2)],
            opset_version=graph.ct.target.iOS16,
        )
        def faulty(input_ids, attention_mask):
            layout = layouts.LAYOUTS[options.layout](1, length, 3, options.precision)
            logits = true(network, layout, input_ids, attention_mask)
            softmax = mb.softmax(x=logits, axis=-1)
            negative = mb.mul(x=logits, y=layout.const(-1, "minus"))
            return (
                mb.cast(x=softmax, dtype="fp32", name="softmax"),
                mb.cast(x=negative, dtype="fp32", name="logits"),
            )

        return faulty

    monkeypatch.setattr(exporter, "build", build)
    monkeypatch.setattr(verification, "build", build)
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=[LENGTH])
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    (figures,) = report.packages[0].functions
    assert figures.exact_error < 1e-5
    assert any("a logit is off" in fault for fault in figures.faults)


@pytest.mark.parametrize("name", ["labels.json", "vocab.txt", "merges.txt", "vocab.json"])
def test_files_beside_the_package_are_held_against_the_model(export_small, name):
    verifier, path = export_small()
    assert not faults_of(verifier, path)
    (path.parent / name).write_bytes(b"\xff[")
    assert faults_of(verifier, path) == [f"{name} next to the package is not the model's"]


def wide(classifier):
    """Matrices that are large enough for palettes."""
    return classifier("bert", hidden_size=120, intermediate_size=130)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["iOS16", "iOS18"])
@pytest.mark.parametrize("compress", ["palette6", "palette4"])
def test_palettes(classifier, tmp_path, compress, target, monkeypatch):
    model, tokenizer = wide(classifier)
    options = ExportOptions(lengths=[LENGTH], compress=compress, target=target)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    package = SavedPackage(report.paths[0])
    kinds = [operation.kind for operation in package.functions["main"].operations]
    assert kinds.count("constexpr_lut_to_dense") == 14

    # One row of one matrix with the wrong entries of its palette.
    true = readback.stored_constants

    def damaged(function):
        found = true(function)
        name = next(name for name in found if name.startswith("layer_1_query_weight"))
        value = found[name]()
        value[3] = value[3][::-1]
        return found | {name: lambda: value}

    monkeypatch.setattr(readback, "stored_constants", damaged)
    description = describe_export(model, tokenizer, options, [LENGTH], "")
    faults = faults_of(Verifier(description, tokenizer), report.paths[0])
    assert faults == [
        "layer_1_query_weight is wrong: a value is not the nearest one in the palette"
    ]


@pytest.mark.parametrize("compress", ["int8", "palette6"])
def test_rows_and_matrices_of_zeros(classifier, tmp_path, compress):
    model, tokenizer = wide(classifier)
    model.bert.embeddings.word_embeddings.weight[0] = 0
    model.bert.encoder.layer[0].output.dense.weight *= 0
    options = ExportOptions(lengths=[LENGTH], compress=compress)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)


@pytest.mark.parametrize("layout", ["ane", "plain"])
def test_constants_that_half_precision_makes_equal(classifier, tmp_path, layout):
    """coremltools keeps one of them, which is not what float32 would multiply with."""
    model, tokenizer = classifier("bert", hidden_size=120)
    random = np.random.default_rng(1)
    for layer in model.bert.encoder.layer:
        for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm):
            norm.weight = mx.array(1 + 5e-5 * random.normal(size=120).astype(np.float32))
    options = ExportOptions(lengths=[LENGTH], layout=layout)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    names = [op.name for op in SavedPackage(report.paths[0]).functions["main"].operations]
    assert sum("norm_weight" in name for name in names) == 2
    assert report.packages[0].functions[0].exact_error < 1e-6


def test_a_tensor_that_was_not_compressed_is_found(export_small):
    verifier, path = export_small()
    verifier.options.compress = "int8"
    faults = faults_of(verifier, path)
    assert "word_embeddings was not compressed" in faults
    assert "layer_0_query_weight was not compressed" in faults
    assert not any("position_embeddings" in fault or "bias" in fault for fault in faults)


def test_another_layout_or_length_than_asked_for_is_found(export_small):
    verifier, path = export_small()
    verifier.options.layout = "plain"
    assert any("does not belong to the layout plain" in f for f in faults_of(verifier, path))
    verifier.options.layout = "ane"
    (figures,) = verifier.verify(SavedPackage(path), [LENGTH + 1]).functions
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


@pytest.mark.slow
def test_a_rejected_package_keeps_what_is_there(classifier, export_small, tmp_path, monkeypatch):
    _, path = export_small()
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
