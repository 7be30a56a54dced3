"""Our evaluator against coremltools' own readers and inference, and operation by operation."""

import math

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil._deployment_compatibility import AvailableTarget
from coremltools.converters.mil.frontend.milproto import load as milproto
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import Function
from small_packages import LENGTH, export_as, feeds

from mlx_finbert.convert.coreml import operations
from mlx_finbert.convert.coreml.evaluate import Evaluator, stored_constants
from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.coreml.saved import Name, SavedPackage, Tensor
from mlx_finbert.errors import InputError


def inferred(path, inputs):
    """The outputs by coremltools' value inference: every input is a constant, so all folds."""
    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    function = spec.mlProgram.functions["main"]
    context = milproto.TranscriptionContext(model.weights_dir)
    target = AvailableTarget(spec.specificationVersion)
    with Function({}, opset_version=target):
        for value in function.inputs:
            const = mb.const(val=inputs[value.name], name=value.name)
            context.register_var_with_name(value.name, const)
        block = function.block_specializations[function.opset]
        milproto._load_block(context, block)
    return {name: context.name_to_var[name].val for name in block.outputs}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_coremltools_value_inference_agrees(classifier, saved, family, precision):
    model, _ = classifier(family)
    package = saved(model, layout="plain", precision=precision, outputs="arrays")
    for row in ([2, 9, 3], [2, 7, 8, 9, 10, 11, 3]):
        ours = Evaluator(package.functions["main"])(feeds([row]))
        theirs = inferred(package.path, feeds([row]))
        for name in ("logits", "probabilities"):
            # In fp16 they also sum in half precision.
            tolerance = 1e-5 if precision == "fp32" else 1e-2
            assert np.abs(ours[name] - theirs[name]).max() < tolerance


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_coremltools_value_inference_agrees_at_each_enumerated_length(classifier, tmp_path, family):
    form = {"layout": "plain", "precision": "fp32", "outputs": "arrays"}
    lengths = [LENGTH, 10, 13]
    model, _, report = export_as(
        classifier, tmp_path, family, lengths=lengths, shapes="enumerated", **form
    )
    run = Evaluator(SavedPackage(report.paths[0]).functions["main"])
    pad = model.args.pad_token_id
    for length in lengths:
        ids = {"input_ids": feeds([[2, 9, pad, 7, 3]], length, pad)["input_ids"]}
        theirs = inferred(report.paths[0], ids)
        for name, values in run(ids).items():
            assert np.abs(values - theirs[name]).max() < 1e-5


@pytest.mark.parametrize("target", ["iOS16", "iOS18"])
@pytest.mark.parametrize("compress", [None, "int8", "palette6", "palette4"])
def test_weights_are_read_as_coremltools_reads_them(
    classifier, saved, compress, target, monkeypatch
):
    from mlx_finbert.convert.coreml import package as module

    # k-means below 10,000 elements is scikit-learn's, which the tests have.
    monkeypatch.setattr(module, "LEAST_SIZE", {"int8": 10, "palette6": 100, "palette4": 100})
    model, _ = classifier("bert")
    package = saved(model, layout="plain", compress=compress, target=target, outputs="arrays")
    loaded = ct.models.MLModel(str(package.path), skip_model_load=True)
    program = milproto.load(
        loaded.get_spec(), loaded.get_spec().specificationVersion, loaded.weights_dir
    )
    theirs = {op.outputs[0].name: op for op in program.functions["main"].operations}
    ours = stored_constants(package.functions["main"])
    kinds = [operation.kind for operation in package.functions["main"].operations]
    assert any(kind.startswith("constexpr") for kind in kinds) == bool(compress)
    compared = 0
    for name, decode in ours.items():
        if "weight" in name or "embeddings" in name:
            op = theirs[name]
            dense = op.val.val if op.op_type == "const" else op.materialized_val_inference()
            assert np.array_equal(decode(), dense), name
            compared += 1
    assert compared > 20


def test_erf_is_exact_to_float32_over_its_whole_range():
    x = np.concatenate([np.linspace(-7, 7, 300_001), [-np.inf, np.inf, 1e30, -1e30, 1e-30]])
    x = x.astype(np.float32)
    exact = np.array([math.erf(float(value)) for value in x])
    assert np.abs(operations.erf(x) - exact).max() < 2e-7
    assert np.isnan(operations.erf(np.array([np.nan], np.float32))).all()


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def tensor(*shape):
    return torch.tensor(random(*shape))


functional = torch.nn.functional
SHAPE = 2, 15, 1, 7
X, T = random(*SHAPE), tensor(*SHAPE)
SINGLE_STEPS = {"strides": [1, 1], "dilations": [1, 1], "groups": 1, "pad": [0] * 4}
KEYS, QUERIES = (2, 7, 1, 5), (2, 5, 1, 3)
CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (operations.gelu(X, "EXACT"), functional.gelu(T)),
        (operations.gelu(X, "TANH_APPROXIMATION"), functional.gelu(T, approximate="tanh")),
        (operations.OPERATIONS["silu"](X), functional.silu(T)),
        (operations.softmax(30 * X, 1), torch.softmax(30 * T, dim=1)),
        (
            operations.layer_norm(X, [1], random(15), random(15) + 1, 1e-5),
            functional.layer_norm(
                T.permute(CHANNELS_LAST), [15], tensor(15), tensor(15) + 1, 1e-5
            ).permute(CHANNELS_FIRST),
        ),
        (
            operations.conv(X, random(4, 15, 1, 1), random(4), pad_type="valid", **SINGLE_STEPS),
            functional.conv2d(T, tensor(4, 15, 1, 1), tensor(4)),
        ),
        (
            operations.einsum([random(*KEYS), random(*QUERIES)], "bkhc,bchq->bkhq"),
            torch.einsum("bkhc,bchq->bkhq", tensor(*KEYS), tensor(*QUERIES)),
        ),
    ],
)
def test_operations_are_those_of_torch(ours, theirs):
    assert ours.shape == tuple(theirs.shape)
    assert np.abs(ours - theirs.numpy()).max() < 2e-6


@pytest.mark.parametrize(
    "call",
    [
        lambda: operations.gelu(X, "SIGMOID_APPROXIMATION"),
        lambda: operations.einsum([X, X], "abcd,dcba->abcd"),
        lambda: operations.conv(X, random(4, 15, 1, 3), random(4), pad_type="same", **SINGLE_STEPS),
        lambda: operations.cumsum(X, 1, exclusive=True, reverse=False),
        lambda: operations.concat([X], 1, interleave=True),
        lambda: operations.layer_norm(X, [1, 3], X, X, 1e-5),
        lambda: operations.gather(X, np.array([0]), 0, batch_dims=1),
    ],
)
def test_forms_that_the_export_does_not_write_are_refused(call):
    with pytest.raises(EvaluationError):
        call()


def test_ids_outside_the_table_are_refused(classifier, saved):
    model, _ = classifier("bert")
    run = Evaluator(saved(model).functions["main"])
    for bad in (-1, model.args.vocab_size):
        with pytest.raises(EvaluationError, match="outside 0 to"):
            run(feeds([[2, bad, 3]]))


def test_an_unknown_operation_and_a_wrong_shape_are_refused(classifier, saved):
    model, _ = classifier("bert")
    function = saved(model).functions["main"]
    gather = next(op for op in function.operations if op.kind == "gather")
    gather.kind = "gather_nd"
    with pytest.raises(EvaluationError, match="gather_nd"):
        Evaluator(function)(feeds([[2, 3]]))
    gather.kind = "gather"
    (out,) = gather.outputs
    gather.outputs = [Tensor(out.name, out.dtype, (1, LENGTH + 1, 15))]
    with pytest.raises(EvaluationError, match="but the file says"):
        Evaluator(function)(feeds([[2, 3]]))


def test_numbers_that_are_not_finite_are_named(classifier, saved):
    model, _ = classifier("bert")
    function = saved(model).functions["main"]
    weight = next(op for op in function.operations if op.name == "layer_0_value_weight")
    assert not isinstance(weight.inputs["val"][0], Name)
    weight.inputs["val"] = [np.full_like(weight.inputs["val"][0], 60000)]
    run = Evaluator(function)
    run(feeds([[2, 9, 3]]))
    assert run.not_finite and run.largest == np.inf


def test_damaged_packages_are_refused_by_name(classifier, saved, tmp_path):
    with pytest.raises(InputError, match=r"nowhere is not a Core ML package"):
        SavedPackage(tmp_path / "nowhere")
    path = saved(classifier("bert")[0]).path
    weights = path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    data = weights.read_bytes()
    weights.write_bytes(data[:64] + bytes(4) + data[68:])
    with pytest.raises(InputError, match=r"weight.bin is damaged: no weight of .* at byte 64"):
        SavedPackage(path)
    weights.write_bytes(data[:200])
    with pytest.raises(InputError, match="cannot be read as a Core ML package"):
        SavedPackage(path)
    spec = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    spec.write_bytes(spec.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as a Core ML package"):
        SavedPackage(path)
    (path / "Manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"Manifest\.json is not valid JSON.*export it again"):
        SavedPackage(path)


def test_a_value_that_nothing_gives_is_told(classifier, saved):
    package = saved(classifier("bert")[0])
    function = package.spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    block.operations[-1].inputs["probabilities"].arguments[0].name = "nowhere"
    file = package.path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    with pytest.raises(InputError, match="damaged: the value 'nowhere' is not defined"):
        SavedPackage(package.path)
