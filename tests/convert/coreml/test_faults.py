"""Deliberate faults in the graph: the verification catches each."""

import numpy as np
import pytest
from small_models import LENGTH

from mlx_finbert.convert.coreml import (
    ExportOptions,
    export,
    exporter,
    graph,
    layouts,
    network,
    package,
    reference,
)
from mlx_finbert.convert.coreml.mil import mb


def inverted_mask(patch):
    patch(layouts.Layout, "bias_of", lambda form, x: mb.mul(x=x, y=form.const(-1e4, "mask_fill")))


def mask_on_the_query_axis(patch):
    true = layouts.PlainLayout.attend

    def attend(form, queries, keys, values, mask):
        if queries.shape == keys.shape:
            mask = mb.transpose(x=mask, perm=[0, 1, 3, 2])
        return true(form, queries, keys, values, mask)

    patch(layouts.PlainLayout, "attend", attend)


def mask_that_half_precision_cannot_hold(patch):
    patch(layouts, "MASK_FILL", float(np.finfo(np.float32).min))


def no_mask(patch):
    patch(layouts.Layout, "bias_of", lambda form, x: mb.mul(x=x, y=form.const(0, "mask_fill")))


def scale_missing(patch):
    patch(network, "_scaled", lambda query, num_heads: network._linear(query))


def heads_not_put_back(patch):
    def attend(form, queries, keys, values, mask):
        q, k, v = (form._heads(x) for x in (queries, keys, values))
        scores = mb.add(x=mb.matmul(x=q, y=k, transpose_y=True), y=mask)
        context = mb.matmul(x=mb.softmax(x=scores, axis=-1), y=v)
        return mb.reshape(x=context, shape=queries.shape)

    patch(layouts.PlainLayout, "attend", attend)


def softmax_over_the_queries(patch):
    def attend(form, queries, keys, values, mask):
        q, k, v = (form._heads(x) for x in (queries, keys, values))
        scores = mb.add(x=mb.matmul(x=q, y=k, transpose_y=True), y=mask)
        context = mb.matmul(x=mb.softmax(x=scores, axis=2), y=v)
        return mb.reshape(x=mb.transpose(x=context, perm=[0, 2, 1, 3]), shape=queries.shape)

    patch(layouts.PlainLayout, "attend", attend)


def another_description(patch, change):
    true = reference.describe

    def describe(model, temperature):
        found = true(model, temperature)
        change(found)
        return found

    patch(reference, "describe", describe)


def position_off_by_one(patch):
    def change(found):
        found.position_embeddings = found.position_embeddings[1:]

    another_description(patch, change)


def token_type_row_1(patch):
    true = network._array
    patch(network, "_array", lambda x: true(x)[::-1] if x.shape[0] == 2 else true(x))


def layers_swapped(patch):
    another_description(patch, lambda found: found.layers.reverse())


def value_bias_zeroed(patch):
    another_description(patch, lambda found: _zero(found.layers[0].value))


def _zero(linear):
    linear.bias = np.zeros_like(linear.bias)


def keys_and_values_swapped(patch):
    def change(found):
        layer = found.layers[0]
        layer.key, layer.value = layer.value, layer.key

    another_description(patch, change)


def temperature_inverted(patch):
    another_description(patch, lambda found: setattr(found, "temperature", 1 / found.temperature))


def gelu_variant(patch):
    patch(graph, "ACTIVATIONS", graph.ACTIVATIONS | {"gelu": graph.ACTIVATIONS["gelu_new"]})


def pooler_relu(patch):
    patch(graph, "ACTIVATIONS", graph.ACTIVATIONS | {"tanh": graph.ACTIVATIONS["relu"]})


def layer_norm_eps(patch):
    patch(layouts.Layout, "eps", lambda form, norm, name: form.const(1e-5, f"{name}_epsilon"))


def second_token_for_the_first(patch):
    def first(form, x):
        size = [form.batch, 1, x.shape[-1]]
        return mb.slice_by_size(x=x, begin=[0, 1, 0], size=size)

    patch(layouts.PlainLayout, "first", first)


def labels_permuted(patch):
    true = package.convert

    def convert(program, options, labels):
        return true(program, options, labels[::-1])

    patch(exporter, "convert", convert)


def logits_to_the_classifier(patch):
    patch(package, "SCORES", {"classifier": "logits"})


FAULTS = {
    inverted_mask: "a probability is off",
    no_mask: "in float32, with other padding, a probability is off",
    mask_on_the_query_axis: "in float32, a probability is off",
    mask_that_half_precision_cannot_hold: "is not finite",
    scale_missing: "in float32, a probability is off",
    heads_not_put_back: "in float32, a probability is off",
    softmax_over_the_queries: "in float32, a probability is off",
    position_off_by_one: "in float32, a probability is off",
    token_type_row_1: "in float32, a probability is off",
    layers_swapped: "in float32, a probability is off",
    value_bias_zeroed: "in float32, a probability is off",
    keys_and_values_swapped: "in float32, a probability is off",
    temperature_inverted: "in float32, a probability is off",
    gelu_variant: "in float32, a probability is off",
    pooler_relu: "in float32, a probability is off",
    layer_norm_eps: "in float32, a probability is off",
    second_token_for_the_first: "in float32, a probability is off",
    labels_permuted: "the classifier's labels are not",
    logits_to_the_classifier: "the outputs are",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_in_the_graph_is_caught(classifier, tmp_path, monkeypatch, fault):
    model, tokenizer = classifier("bert", calibration_temperature=1.5)
    fault(monkeypatch.setattr)
    path = tmp_path / "out" / "T.mlpackage"
    options = ExportOptions(lengths=[LENGTH], layout="plain")
    report = export(model, tokenizer, path, options)
    faults = [found for part in report.packages[0].functions for found in part.faults]
    assert not report.passed
    assert any(FAULTS[fault] in found for found in faults), faults
    assert [file.name for file in path.parent.iterdir()] == ["T-7.mlpackage.rejected"]
    assert report.paths == [path.parent / "T-7.mlpackage.rejected"]


def test_without_a_fault_there_is_none(classifier, tmp_path):
    model, tokenizer = classifier("bert", calibration_temperature=1.5)
    options = ExportOptions(lengths=[LENGTH], layout="plain")
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    assert report.packages[0].functions[0].exact_error < 1e-6
