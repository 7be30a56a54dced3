"""Deliberate faults in the program and its description: the verification catches each."""

import numpy as np
import pytest

pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')

from mlx_finbert.convert.coreai import AssetOptions, child, export
from mlx_finbert.convert.coreml import network, reference
from mlx_finbert.errors import InputError

pytestmark = [pytest.mark.usefixtures("few_texts"), pytest.mark.slow]

EXACT = "in float32, a probability is off"
OPTIONS = AssetOptions(lengths=[7, 13], precision="fp32")

IN_THE_PROGRAM = {
    "inverted_mask": EXACT,
    "no_mask": "in float32, with other padding, a probability is off",
    "mask_on_the_query_axis": EXACT,
    "softmax_over_the_queries": EXACT,
    "weights_transposed": EXACT,
    "heads_not_put_back": EXACT,
    "keys_of_other_heads": EXACT,
    "gelu_variant": EXACT,
    "pooler_relu": EXACT,
    "layer_norm_eps": EXACT,
    "second_token_for_the_first": EXACT,
    "outputs_swapped": EXACT,
    "square_weights_transposed": EXACT,
    "other_positions_in_one_function": "in float32, between the functions, a probability is off",
}


def faults_of(classifier, tmp_path):
    """The faults of an export, which must be rejected."""
    model, tokenizer = classifier("bert")
    report = export(model, tokenizer, tmp_path / "out" / "T.aimodel", OPTIONS)
    assert not report.passed
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["T.aimodel.rejected"]
    return report.faults


def set_fault(monkeypatch, name):
    monkeypatch.setattr(child, "WORKER", "faulty_worker")
    monkeypatch.setenv("MLX_FINBERT_FAULT", name)


@pytest.mark.parametrize(("name", "words"), IN_THE_PROGRAM.items())
def test_a_fault_in_the_program_is_caught(classifier, tmp_path, monkeypatch, name, words):
    set_fault(monkeypatch, name)
    found = faults_of(classifier, tmp_path)
    assert any(words in fault for fault in found), found


def test_the_death_of_the_process_is_one_sentence(classifier, tmp_path, monkeypatch):
    set_fault(monkeypatch, "abort")
    model, tokenizer = classifier("bert")
    with pytest.raises(InputError, match=r"T\.aimodel cannot be written .*ended by SIGABRT"):
        export(model, tokenizer, tmp_path / "out" / "T.aimodel", OPTIONS)
    assert not (tmp_path / "out").exists()


def test_a_product_of_the_wrong_shape_is_one_sentence(classifier, tmp_path, monkeypatch):
    set_fault(monkeypatch, "weights_not_transposed")
    model, tokenizer = classifier("bert")
    with pytest.raises(InputError, match=r"T\.aimodel cannot be written \(.+\): export"):
        export(model, tokenizer, tmp_path / "out" / "T.aimodel", OPTIONS)


def position_off_by_one(found):
    found.position_embeddings = found.position_embeddings[1:]


def layers_swapped(found):
    found.layers.reverse()


def value_bias_zeroed(found):
    found.layers[0].value.bias = np.zeros_like(found.layers[0].value.bias)


def keys_and_values_swapped(found):
    layer = found.layers[0]
    layer.key, layer.value = layer.value, layer.key


@pytest.mark.parametrize(
    "change", [position_off_by_one, layers_swapped, value_bias_zeroed, keys_and_values_swapped]
)
def test_a_fault_in_the_description_is_caught(classifier, tmp_path, monkeypatch, change):
    true = reference.describe

    def describe(model):
        found = true(model)
        change(found)
        return found

    monkeypatch.setattr(reference, "describe", describe)
    found = faults_of(classifier, tmp_path)
    assert any(EXACT in fault for fault in found), found


def test_the_other_token_type_is_caught(classifier, tmp_path, monkeypatch):
    true = network._array
    monkeypatch.setattr(network, "_array", lambda x: true(x)[::-1] if x.shape[0] == 2 else true(x))
    found = faults_of(classifier, tmp_path)
    assert any(EXACT in fault for fault in found), found


def test_a_missing_scale_is_caught(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "_scaled", lambda query, num_heads: network._linear(query))
    found = faults_of(classifier, tmp_path)
    assert any(EXACT in fault for fault in found), found
