"""Deliberate faults in the graph: the verification catches each."""

import numpy as np
import pytest
from small_packages import LENGTH

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

pytestmark = pytest.mark.usefixtures("few_texts")


def faulty_mask(factor):
    def mask(layout, is_token):
        return layout.over_keys(mb.mul(x=is_token, y=layout.const(factor, "mask_fill")))

    return mask


def inverted_mask(patch):
    patch(layouts.Layout, "mask", faulty_mask(-1e4))


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
    patch(layouts.Layout, "mask", faulty_mask(0))


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

    def describe(model):
        found = true(model)
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


def gelu_variant(patch):
    patch(graph, "ACTIVATIONS", graph.ACTIVATIONS | {"gelu": graph.ACTIVATIONS["gelu_new"]})


def pooler_relu(patch):
    patch(graph, "ACTIVATIONS", graph.ACTIVATIONS | {"tanh": graph.ACTIVATIONS["relu"]})


def layer_norm_eps(patch):
    patch(layouts.Layout, "eps", lambda layout, norm: 1e-5)


def second_token_for_the_first(patch):
    def first(form, x):
        size = [form.batch, 1, x.shape[-1]]
        return mb.slice_by_size(x=x, begin=[0, 1, 0], size=size)

    patch(layouts.PlainLayout, "first", first)


def ane_attention(patch, axis=1, keys_first=True, reverse=False, query_mask=False):
    """Attention of the layout `ane`, with one thing wrong."""

    def attend_head(layout, q, k, v, mask):
        scores = mb.einsum(values=(k, q), equation="bkhc,bchq->bkhq")
        if query_mask and scores.shape[1] == scores.shape[3]:
            mask = mb.transpose(x=mask, perm=[0, 3, 2, 1])
        weights = mb.softmax(x=mb.add(x=scores, y=mask), axis=axis)
        if not keys_first and scores.shape[1] == scores.shape[3]:
            weights = mb.transpose(x=weights, perm=[0, 3, 2, 1])
        return mb.einsum(values=(v, weights), equation="bchk,bkhq->bchq")

    true = layouts.AneLayout._heads

    def heads(layout, x, at):
        found = true(layout, x, at)
        return found[::-1] if reverse and at == 3 else found

    patch(layouts.AneLayout, "_attend_head", attend_head)
    patch(layouts.AneLayout, "_heads", heads)


def ane_softmax_over_the_queries(patch):
    ane_attention(patch, axis=3)


def ane_weights_transposed(patch):
    ane_attention(patch, keys_first=False)


def ane_keys_of_other_heads(patch):
    ane_attention(patch, reverse=True)


def ane_mask_on_the_query_axis(patch):
    ane_attention(patch, query_mask=True)


def ane_kernel_transposed(patch):
    true = layouts.AneLayout.linear

    def linear(layout, x, layer, name):
        if layer.weight.shape[0] == layer.weight.shape[1]:
            layer = network.Linear(layer.weight.T, layer.bias)
        return true(layout, x, layer, name)

    patch(layouts.AneLayout, "linear", linear)


def labels_permuted(patch):
    true = package.convert

    def convert(program, options, labels):
        return true(program, options, labels[::-1])

    patch(exporter, "convert", convert)


def logits_to_the_classifier(patch):
    patch(package, "SOFTMAX_NAMES", {"classifier": "logits"})


EXACT = "in float32, a probability is off"
ANYWHERE = {
    inverted_mask: EXACT,
    no_mask: "in float32, with other padding, a probability is off",
    mask_that_half_precision_cannot_hold: "is not finite",
    scale_missing: EXACT,
    position_off_by_one: EXACT,
    token_type_row_1: EXACT,
    layers_swapped: EXACT,
    value_bias_zeroed: EXACT,
    keys_and_values_swapped: EXACT,
    gelu_variant: EXACT,
    pooler_relu: EXACT,
    layer_norm_eps: EXACT,
    labels_permuted: "the classifier's labels are not",
    logits_to_the_classifier: "the outputs are",
}
PLAIN = {
    mask_on_the_query_axis: EXACT,
    heads_not_put_back: EXACT,
    softmax_over_the_queries: EXACT,
    second_token_for_the_first: EXACT,
}
ANE = {
    ane_softmax_over_the_queries: EXACT,
    ane_weights_transposed: EXACT,
    ane_keys_of_other_heads: EXACT,
    ane_mask_on_the_query_axis: EXACT,
    ane_kernel_transposed: EXACT,
}
CASES = [
    *((fault, layout, words) for fault, words in ANYWHERE.items() for layout in ("ane", "plain")),
    *((fault, "plain", words) for fault, words in PLAIN.items()),
    *((fault, "ane", words) for fault, words in ANE.items()),
]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(
    ("fault", "layout", "words"), CASES, ids=[f"{f.__name__}-{layout}" for f, layout, _ in CASES]
)
def test_a_fault_in_the_graph_is_caught(classifier, tmp_path, monkeypatch, fault, layout, words):
    # One layer converts in half the time. With it alone, only the first query matters.
    layers = 2 if fault in (layers_swapped, *PLAIN, *ANE) else 1
    model, tokenizer = classifier("bert", num_hidden_layers=layers)
    fault(monkeypatch.setattr)
    path = tmp_path / "out" / "T.mlpackage"
    options = ExportOptions(lengths=[LENGTH], layout=layout)
    report = export(model, tokenizer, path, options)
    faults = [found for part in report.packages[0].functions for found in part.faults]
    assert not report.passed
    assert any(words in found for found in faults), faults
    assert [file.name for file in path.parent.iterdir()] == ["T-7.mlpackage.rejected"]
    assert report.paths == [path.parent / "T-7.mlpackage.rejected"]


@pytest.mark.parametrize("layout", ["ane", "plain"])
def test_without_a_fault_there_is_none(classifier, tmp_path, layout):
    model, tokenizer = classifier("bert")
    options = ExportOptions(lengths=[LENGTH], layout=layout)
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options)
    assert report.passed, str(report)
    assert report.packages[0].functions[0].exact_error < 1e-6
