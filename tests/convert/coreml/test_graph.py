"""The programs as they are saved, run by our evaluator, against the MLX models."""

import mlx.core as mx
import numpy as np
import pytest
from small_packages import LENGTH, feeds

from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.graph import build, constants
from mlx_finbert.convert.coreml.network import describe
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.errors import InputError
from mlx_finbert.models import build as build_model

ROWS = [[2, 9, 3], [2, 7, 8, 9, 10, 11, 3], [2, 3], [2, 30, 30, 31, 3]]
SMALL = {
    "hidden_size": 15, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 22,
}  # fmt: skip
BYTE_PAIR_ROWS = [[0, 9, 2], [0, 7, 8, 9, 10, 11, 2], [0, 2], [0, 1, 30, 31, 2]]
"""`<pad>` within a row, which RoBERTa does not count as a position."""


def rows_of(model):
    return BYTE_PAIR_ROWS if model.args.model_type == "roberta" else ROWS


def of_mlx(model, rows):
    """Probabilities of rows without padding."""
    logits = [model(mx.array([row]), mx.ones((1, len(row)), mx.int32)) for row in rows]
    return np.array(mx.softmax(mx.concatenate(logits), axis=-1))


def of_package(package, model, exact=None):
    run = Evaluator(package.functions["main"], exact)
    pad = model.args.pad_token_id
    return np.concatenate([run(feeds([row], pad=pad))["probabilities"] for row in rows_of(model)])


FAMILIES = ["bert", "distilbert", "roberta"]


@pytest.mark.parametrize("layout", ["ane", "plain"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_in_every_layout_and_precision(classifier, saved, family, layout):
    model, _ = classifier(family)
    expected = of_mlx(model, rows_of(model))
    full = saved(model, layout=layout, precision="fp32", outputs="arrays")
    assert np.abs(of_package(full, model) - expected).max() < 1e-6
    half = saved(model, layout=layout, precision="fp16", outputs="arrays")
    found = of_package(half, model)
    assert 0 < np.abs(found - expected).max() < 2e-3
    options = ExportOptions(layout=layout, precision="fp32", outputs="arrays")
    exact = constants(build(describe(model), LENGTH, options))
    assert np.abs(of_package(half, model, exact) - expected).max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layouts_are_equal(classifier, saved, family):
    model, _ = classifier(family)
    found = [
        of_package(saved(model, layout=layout, precision="fp32", outputs="arrays"), model)
        for layout in ("ane", "plain")
    ]
    assert np.abs(found[0] - found[1]).max() < 2e-6


@pytest.mark.parametrize("layout", ["ane", "plain"])
@pytest.mark.parametrize("act", ["gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"])
def test_every_activation(classifier, saved, act, layout):
    model, _ = classifier("bert", hidden_act=act, num_hidden_layers=1)
    package = saved(model, layout=layout, precision="fp32", outputs="arrays")
    assert np.abs(of_package(package, model) - of_mlx(model, ROWS)).max() < 1e-6


@pytest.mark.parametrize("layout", ["ane", "plain"])
@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 1},
        {"num_attention_heads": 1},
        {"labels": tuple("abcdefgh")},
    ],
)
def test_odd_sizes(classifier, saved, config, layout):
    model, _ = classifier("bert", **config)
    package = saved(model, layout=layout, precision="fp32", outputs="arrays")
    assert np.abs(of_package(package, model) - of_mlx(model, ROWS)).max() < 1e-6


@pytest.mark.parametrize("layout", ["ane", "plain"])
def test_a_batch_of_rows(classifier, saved, layout):
    model, _ = classifier("bert")
    package = saved(model, layout=layout, precision="fp32", outputs="arrays", batch=4)
    outputs = Evaluator(package.functions["main"])(feeds(ROWS))
    assert outputs["logits"].shape == (4, 3)
    assert np.abs(outputs["probabilities"] - of_mlx(model, ROWS)).max() < 1e-6


def test_the_classifier_gives_a_label_and_probabilities_by_name(classifier, saved):
    model, _ = classifier("bert")
    outputs = Evaluator(saved(model).functions["main"])(feeds(ROWS[:1]))
    expected = dict(zip(model.args.labels, of_mlx(model, ROWS[:1])[0], strict=True))
    assert outputs["probabilities"] == pytest.approx(expected, abs=2e-3)
    assert outputs["label"] == max(expected, key=expected.get)
    assert outputs["logits"].shape == (1, 3)


def test_large_vocabularies_keep_their_ids(saved):
    """From iOS17 on coremltools casts ids to 16 bits where the table allows it."""
    for vocab_size in (32767, 32768, 70000):
        model = build_model({"model_type": "bert", **SMALL, "vocab_size": vocab_size})
        row = [[2, vocab_size - 1, 3]]
        package = saved(model, target="iOS17", outputs="arrays", precision="fp16")
        found = Evaluator(package.functions["main"])(feeds(row))["probabilities"]
        assert np.abs(found - of_mlx(model, row)).max() < 2e-3


def test_nothing_is_computed_twice_or_in_vain(classifier, saved):
    """The kinds of operations are known in full: 2 layers, 3 heads."""
    model, _ = classifier("bert")
    kinds = {}
    for layout in ("plain", "ane"):
        operations = saved(model, layout=layout).functions["main"].operations
        names = [operation.kind for operation in operations if operation.kind != "const"]
        kinds[layout] = {kind: names.count(kind) for kind in names}
    shared = {"gather": 1, "layer_norm": 5, "gelu": 2, "tanh": 1, "classify": 1, "cast": 3}
    for counts in kinds.values():
        assert shared.items() <= counts.items()
        assert counts["slice_by_size"] == counts["mul"] == counts["sub"] == 1
    assert (kinds["plain"]["linear"], kinds["plain"]["matmul"]) == (14, 4)
    assert (kinds["ane"]["conv"], kinds["ane"]["einsum"], kinds["ane"]["softmax"]) == (14, 12, 7)


def test_an_unsupported_activation_is_refused(classifier):
    model, _ = classifier("bert")
    network = describe(model)
    network.hidden_act = "mish"
    with pytest.raises(InputError, match="'mish' has no counterpart in Core ML"):
        build(network, LENGTH, ExportOptions())


def test_an_unsupported_model_is_refused(classifier):
    class Other:
        pass

    with pytest.raises(InputError, match="Other cannot be exported to Core ML"):
        describe(Other())
    with pytest.raises(InputError, match="needs two labels"):
        describe(classifier("bert", labels=("only",))[0])
    with pytest.raises(InputError, match="num_hidden_layers = 0 is not a size"):
        describe(classifier("bert", num_hidden_layers=0)[0])


def test_weights_that_are_not_finite_are_refused_by_name(classifier):
    model, _ = classifier("bert")
    model.bert.pooler.dense.bias[3] = float("nan")
    with pytest.raises(InputError, match=r"bert\.pooler\.dense\.bias is not finite"):
        describe(model)
