"""One package whose input takes every length, its mask derived from the padding id."""

import json

import coremltools as ct
import mlx.core as mx
import numpy as np
import pytest
from small_packages import LENGTH, LENGTHS, enumerated, export_as, read_json

from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.exporter import describe_export
from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.verification import Verifier
from mlx_finbert.errors import InputError
from mlx_finbert.inference import predict_proba

pytestmark = pytest.mark.usefixtures("few_texts")

FAMILIES = ["bert", "distilbert", "roberta"]
FORMS = [
    {"layout": "ane"},
    {"layout": "plain"},
    {"layout": "ane", "precision": "fp32", "outputs": "arrays", "batch": 3},
    {"layout": "plain", "precision": "fp32"},
    {"layout": "ane", "compress": "int8", "target": "iOS17"},
    {"layout": "plain", "compress": "int8", "target": "iOS18", "batch": 2},
]


def ids_of(row, length, pad):
    return {"input_ids": np.array([[*row, *[pad] * (length - len(row))]], np.int32)}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_verifies_at_every_length(classifier, tmp_path, family, form):
    _, _, report = enumerated(classifier, tmp_path, family, **form)
    assert report.passed, str(report)
    (package,) = report.packages
    assert package.name == "T.mlpackage"
    assert [figures.length for figures in package.functions] == LENGTHS
    for figures in package.functions:
        assert figures.exact_error < 1e-5 and figures.exact_padding_error < 1e-5
        assert figures.error < (3e-2 if form.get("compress") else 2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["ane", "plain"])
@pytest.mark.parametrize("compress", ["palette6", "palette4"])
def test_palettes(classifier, tmp_path, layout, compress):
    wide = {"hidden_size": 120, "intermediate_size": 130}
    form = {"layout": layout, "compress": compress}
    _, _, report = enumerated(classifier, tmp_path, config=wide, **form)
    assert report.passed, str(report)


def test_the_input_takes_the_lengths_and_no_other(classifier, tmp_path):
    _, _, report = enumerated(classifier, tmp_path, lengths=[13, 24, LENGTH])
    spec = SavedPackage(report.paths[0]).spec
    (feature,) = spec.description.input
    array = feature.type.multiArrayType
    shapes = [tuple(found.shape) for found in array.enumeratedShapes.shapes]
    assert feature.name == "input_ids" and tuple(array.shape) == (1, 24)
    assert sorted(shapes) == [(1, LENGTH), (1, 13), (1, 24)]
    assert "masked wherever it appears" in feature.shortDescription
    told = json.loads(spec.description.metadata.userDefined["mlx_finbert.options"])
    assert told["shapes"] == "enumerated"


@pytest.mark.parametrize("layout", ["ane", "plain"])
@pytest.mark.parametrize("family", FAMILIES)
def test_results_are_those_of_the_model_with_the_padding_id_masked(
    classifier, tmp_path, family, layout
):
    """Also where the padding id stands within a row. Independent of the verification."""
    form = {"layout": layout, "precision": "fp32", "outputs": "arrays"}
    model, tokenizer, report = enumerated(classifier, tmp_path, family, **form)
    run = Evaluator(SavedPackage(report.paths[0]).function(LENGTH))
    pad, cls, sep = tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id
    for row in ([cls, sep], [cls, 9, pad, 31, sep], [cls, pad, pad, 7, 8, sep]):
        ids = mx.array([row])
        expected = np.array(mx.softmax(model(ids, (ids != pad).astype(mx.int32)), axis=-1))
        for length in LENGTHS:
            found = run(ids_of(row, length, pad))["probabilities"]
            assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_golden_texts_are_what_the_package_gives(classifier, tmp_path, family):
    """A padding token that is written out is masked; `predict` reads it."""
    model, tokenizer, report = enumerated(classifier, tmp_path, family, outputs="arrays")
    pad = tokenizer.pad_token_id
    run = Evaluator(SavedPackage(report.paths[0]).function(24))
    texts = read_json(tmp_path / "golden.json")["texts"]
    predicted = predict_proba(model, tokenizer, [entry["text"] for entry in texts], max_length=24)
    within = 0
    for entry, other in zip(texts, predicted, strict=True):
        found = run(ids_of(entry["input_ids"], 24, pad))["probabilities"]
        assert np.abs(found - entry["probabilities"]).max() < 2e-3
        if pad in entry["input_ids"]:
            within += 1
            assert np.abs(other - entry["probabilities"]).max() > 1e-3
    assert within > 0
    assert f"the package ignores {tokenizer.pad_token} in a text" in str(report)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Some dimensions in the input shape are unknown")
@pytest.mark.parametrize("layout", ["ane", "plain"])
def test_coremltools_gives_the_graph_the_same_shapes(classifier, tmp_path, layout):
    """Its own tool fixes the input's shape, and must infer all others from it."""
    lengths = [LENGTH, 24]
    form = {"layout": layout, "outputs": "arrays", "target": "iOS18"}
    _, _, report = enumerated(classifier, tmp_path, lengths=lengths, **form)
    model = ct.models.MLModel(str(report.paths[0]), skip_model_load=True)
    shapes = {f"length_{length}": {"input_ids": (1, length)} for length in lengths}
    fixed = tmp_path / "fixed.mlpackage"
    ct.utils.materialize_dynamic_shape_mlmodel(model, shapes, str(fixed))
    open_shapes = shapes_of(SavedPackage(report.paths[0]).function(LENGTH))
    for length in lengths:
        found = shapes_of(SavedPackage(fixed).function(length))
        assert not any(None in shape for shape in found.values())
        # coremltools puts operations of its own around the embedding.
        shared = open_shapes.keys() & found.keys()
        assert len(shared) > 0.9 * len(open_shapes)
        for name in shared:
            assert found[name] == tuple(length if s is None else s for s in open_shapes[name])


def shapes_of(function):
    """By name, of all values that are no constants."""
    operations = [op for op in function.operations if op.kind != "const"]
    return {tensor.name: tensor.shape for op in operations for tensor in op.outputs}


@pytest.mark.usefixtures("new_conversions")
@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(classifier, tmp_path):
    files = []
    for name in ("a", "b"):
        _, _, report = enumerated(classifier, tmp_path / name, lengths=[LENGTH, 24])
        found = sorted(file for file in report.folder.rglob("*") if file.is_file())
        files.append({str(f.relative_to(report.folder)): f.read_bytes() for f in found})
    assert files[0] == files[1] and len(files[0]) == 9


@pytest.mark.slow
def test_one_package_is_as_large_as_one_of_a_fixed_length(classifier, tmp_path):
    lengths = [LENGTH, 24]
    _, _, report = enumerated(classifier, tmp_path / "all", lengths=lengths)
    _, _, fixed = export_as(classifier, tmp_path / "each", lengths=lengths)
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    shared, alone = ((r.paths[-1] / weights).stat().st_size for r in (report, fixed))
    assert shared == pytest.approx(alone, rel=0.01)


@pytest.mark.slow
def test_a_padding_token_that_must_be_read_is_refused(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    tokenizer.pad_token = tokenizer.unk_token
    options = ExportOptions(lengths=LENGTHS, shapes="enumerated")
    words = r"`shapes=enumerated`: the tokenizer pads with \[UNK\], .* its unk token .* `shapes`"
    with pytest.raises(InputError, match=words):
        export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert not list(tmp_path.glob("*mlpackage*"))
    report = export(model, tokenizer, tmp_path / "T.mlpackage", ExportOptions(lengths=LENGTHS))
    assert f"{len(LENGTHS)} packages" in str(report)
    assert "`shapes=enumerated`" not in str(report)


def test_sizes_that_are_declared_are_still_checked(classifier, tmp_path):
    model, _, report = enumerated(classifier, tmp_path)
    function = SavedPackage(report.paths[0]).function(LENGTH)
    with pytest.raises(EvaluationError, match=r"input_ids must be of shape \(1, None\)"):
        Evaluator(function)({"input_ids": np.zeros((2, LENGTH), np.int32)})
    norm = next(op for op in function.operations if op.name == "embeddings_norm")
    assert norm.outputs[0].shape == (1, 15, 1, None)
    norm.outputs[0].shape = (1, 16, 1, None)
    with pytest.raises(EvaluationError, match="but the file says"):
        Evaluator(function)(ids_of([2, 3], LENGTH, model.args.pad_token_id))


def test_core_ml_is_given_the_ids_alone(classifier, tmp_path):
    """It refuses inputs that a model does not have."""
    model, tokenizer, report = enumerated(classifier, tmp_path)
    description = describe_export(model, tokenizer, report.options, LENGTHS, "")
    verifier, seen = Verifier(description, tokenizer), []
    run = Evaluator(SavedPackage(report.paths[0]).function(LENGTH))
    verifier.infer(lambda feeds: (seen.append(set(feeds)), run(feeds))[1], [(2, 9, 3)], LENGTH)
    assert seen == [{"input_ids"}]
