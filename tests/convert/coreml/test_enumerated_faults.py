"""Faults in the graph and in the file of a package with enumerated shapes: each is found."""

import shutil

import numpy as np
import pytest
from small_packages import LENGTH, LENGTHS, enumerated, export_as

from mlx_finbert.convert.coreml import ExportOptions, export, graph
from mlx_finbert.convert.coreml.exporter import describe_export
from mlx_finbert.convert.coreml.mil import mb
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.verification import Verifier

pytestmark = pytest.mark.usefixtures("few_texts")


def mask_of_another_id(patch):
    true = graph.differs
    patch(graph, "differs", lambda ids, token: true(ids, 3 if token == 0 else token))


def mask_of_no_id(patch):
    true = graph.differs
    patch(graph, "differs", lambda ids, token: true(ids, -2 if token == 0 else token))


def positions_from_1(patch):
    patch(graph, "row_indices", lambda ids: mb.cumsum(x=graph.differs(ids, -1), axis=1))


def positions_that_count_tokens(patch):
    """RoBERTa's: right where no padding stands within a row."""

    def row_indices(ids):
        return mb.sub(x=mb.cumsum(x=graph.differs(ids, 0), axis=1), y=np.int32(1))

    patch(graph, "row_indices", row_indices)


EXACT = "in float32, a probability is off"
FAULTS = {
    mask_of_another_id: EXACT,
    mask_of_no_id: EXACT,
    # The last row of the longest length has no position then.
    positions_from_1: "an index of gather is outside 0 to 23",
    positions_that_count_tokens: EXACT,
}


@pytest.mark.parametrize("layout", ["ane", "plain"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_graph_is_caught(classifier, tmp_path, monkeypatch, fault, layout):
    fault(monkeypatch.setattr)
    _, _, report = enumerated(classifier, tmp_path, layout=layout)
    assert not report.passed
    faults = [found for part in report.packages[0].functions for found in part.faults]
    assert any(FAULTS[fault] in found for found in faults), faults
    assert [path.name for path in tmp_path.glob("*mlpackage*")] == ["T.mlpackage.rejected"]


def array(spec):
    return spec.description.input[0].type.multiArrayType


def another_shape(spec):
    array(spec).enumeratedShapes.shapes[1].shape[1] = 32


def one_shape_more(spec):
    array(spec).enumeratedShapes.shapes.add().shape.extend([1, 32])


def one_shape_less(spec):
    del array(spec).enumeratedShapes.shapes[-1]


def another_default(spec):
    array(spec).shape[1] = LENGTH


def a_range(spec):
    ranges = array(spec).shapeRange.sizeRanges
    for lower, upper in ((1, 1), (LENGTH, 24)):
        ranges.add(lowerBound=lower, upperBound=upper)


def no_shapes(spec):
    array(spec).ClearField("enumeratedShapes")


def a_fixed_program(spec):
    spec.mlProgram.functions["main"].inputs[0].type.tensorType.dimensions[1].constant.size = 24


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("enumerated")


@pytest.fixture
def exported(classifier, tmp_path, kept):
    """What holds a package against its model, and a copy of one without a fault."""
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=LENGTHS, shapes="enumerated")
    verifier = Verifier(describe_export(model, tokenizer, options, LENGTHS, ""), tokenizer)
    if not any(kept.iterdir()):
        export(model, tokenizer, kept / "T.mlpackage", options)
        assert not faults_of(verifier, kept / "T.mlpackage")
    return verifier, shutil.copytree(kept / "T.mlpackage", tmp_path / "T.mlpackage")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (another_shape, "the description of main is ['input_ids: int32 (1, 24) of"),
        (one_shape_more, "the description of main is ['input_ids: int32 (1, 24) of"),
        (one_shape_less, "the description of main is ['input_ids: int32 (1, 24) of"),
        (another_default, f"the description of main is ['input_ids: int32 (1, {LENGTH}) of"),
        (a_range, "the description of main is ['input_ids: int32 (1, 24) shapeRange"),
        (no_shapes, "the description of main is ['input_ids: int32 (1, 24)'"),
        (a_fixed_program, "the inputs are {'input_ids': ('int32', (1, 24))}"),
    ],
)
def test_an_altered_specification_is_found(exported, change, words):
    verifier, path = exported
    package = SavedPackage(path)
    change(package.spec)
    file = package.path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    faults = faults_of(verifier, path)
    assert any(words in fault for fault in faults), faults


def faults_of(verifier, path):
    report = verifier.verify(SavedPackage(path), LENGTHS)
    return [*report.faults, *(fault for part in report.functions for fault in part.faults)]


def test_a_fixed_package_with_an_open_shape_is_found(classifier, tmp_path):
    model, tokenizer, report = export_as(classifier, tmp_path)
    package = SavedPackage(report.paths[0])
    function = package.spec.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    (norm,) = (op for op in operations if op.outputs[0].name == "embeddings_norm")
    norm.outputs[0].type.tensorType.dimensions[3].unknown.variadic = False
    file = package.path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    description = describe_export(model, tokenizer, report.options, [LENGTH], "")
    found = Verifier(description, tokenizer).verify(SavedPackage(package.path), [LENGTH])
    (figures,) = found.functions
    assert "embeddings_norm has an open shape, (1, 15, 1, None)" in figures.faults
