"""The reader of saved packages: what it holds open, and what it refuses."""

import os
from pathlib import Path

import pytest

from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.errors import InputError

SPEC = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")


@pytest.fixture
def rewritten(classifier, saved):
    """A package whose operations were changed by a function that gets them, and can add to them."""

    def make(change):
        package = saved(classifier("bert")[0])
        function = package.spec.mlProgram.functions["main"]
        change(function.block_specializations[function.opset].operations)
        (package.path / SPEC).write_bytes(package.spec.SerializeToString())
        return package.path

    return make


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux does")
@pytest.mark.parametrize("form", [{}, {"compress": "int8"}], ids=str)
def test_one_open_file_a_package(classifier, saved, form):
    path = saved(classifier("bert")[0], **form).path
    before = len(os.listdir("/proc/self/fd"))
    packages = [SavedPackage(path) for _ in range(3)]
    assert len(os.listdir("/proc/self/fd")) <= before + len(packages)
    del packages
    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_operation_that_is_there_twice(rewritten):
    path = rewritten(lambda operations: operations.append(operations[-1]))
    with pytest.raises(InputError, match=r"damaged: the value '\w+' is defined twice"):
        SavedPackage(path)


def test_a_cast_that_reads_its_own_result(rewritten):
    def loop(operations):
        cast = next(op for op in operations if op.type == "cast")
        cast.inputs["x"].arguments[0].name = cast.outputs[0].name

    with pytest.raises(InputError, match=r"damaged: the value '\w+' is not defined before"):
        SavedPackage(rewritten(loop))


def test_a_result_with_the_name_of_an_input(rewritten):
    def rename(operations):
        operations[-1].outputs[0].name = "input_ids"

    with pytest.raises(InputError, match="damaged: the value 'input_ids' is defined twice"):
        SavedPackage(rewritten(rename))


@pytest.mark.parametrize("name", [SPEC, WEIGHTS])
def test_a_fifo_is_refused_at_once(classifier, saved, name):
    path = saved(classifier("bert")[0]).path
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(InputError, match=f"{name.name} is missing or is not a regular file"):
        SavedPackage(path)


def test_weights_outside_of_the_package(rewritten):
    def lead_out(operations):
        for operation in operations:
            for value in operation.attributes.values():
                if value.WhichOneof("value") == "blobFileValue":
                    value.blobFileValue.fileName = "@model_path/weights/../../../../elsewhere"

    with pytest.raises(InputError, match=r"damaged: it names the weights @model_path/weights/\.\."):
        SavedPackage(rewritten(lead_out))
