"""Quantized models: packing, saving, loading, prediction and errors."""

import json

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from small_adapters import logits

import mlx_finbert
from mlx_finbert.backend.interface import adapt
from mlx_finbert.backend.linux_cpu import layers
from mlx_finbert.backend.linux_cpu.layers import swap
from mlx_finbert.checkpoints.load import load_with_report, require_plain
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.lora import LoraConfig, add_lora
from mlx_finbert.models.quantization import (
    Quantization,
    quantization_of,
    quantize,
    unpacked,
)

pytestmark = pytest.mark.usefixtures("backend")

SIZES = {
    "bert": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
    "distilbert": {"dim": 64, "n_heads": 4, "hidden_dim": 128},
    "roberta": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
}
STEPS = {8: 255, 4: 15}
"""Number of steps between the smallest and the largest number of a group."""


@pytest.fixture
def wide(checkpoint):
    """Factory of small checkpoints with row lengths divisible by 32 and 64."""
    return lambda family="bert", **config: checkpoint(family, **SIZES[family] | config)


@pytest.fixture
def saved(wide, tmp_path):
    """A quantized folder, and its logits when it was saved."""
    model, tokenizer = mlx_finbert.load(wide())
    quantize(model, Quantization(8))
    folder = mlx_finbert.save(adapt(model), tokenizer, tmp_path / "q")
    return folder, logits(model, tokenizer)


def weights_of(folder):
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    return weights


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("bits", "group_size"), [(8, 64), (4, 32)])
def test_the_encoder_is_packed_and_the_rest_is_spared(wide, family, bits, group_size):
    model, _ = mlx_finbert.load(wide(family))
    before = dict(tree_flatten(model.parameters()))
    quantize(model, Quantization(bits, group_size))
    packed = {name for name, value in tree_flatten(model.parameters()) if value.dtype == mx.uint32}
    expected = {
        name
        for name, value in before.items()
        if value.ndim == 2
        and not name.startswith(model.head)
        and "position" not in name
        and "token_type" not in name
    }
    assert packed == expected
    assert len(packed) == 2 * 6 + 1
    assert quantization_of(model) == Quantization(bits, group_size)
    for name, module in model.named_modules():
        if f"{name}.weight" in packed:
            # MLX keeps zero and one end of a group's range exact: the other may be off by a step.
            old, new = before[f"{name}.weight"], unpacked(module)
            assert mx.abs(new - old).max() <= (old.max() - old.min()) / STEPS[bits]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_saved_folder_loads_as_it_was(wide, tmp_path, family, bits, dtype):
    model, tokenizer = mlx_finbert.load(wide(family), dtype=dtype)
    plain = logits(model, tokenizer).astype(np.float32)
    quantize(model, Quantization(bits))
    adapt(model)
    assert 0 < np.abs(logits(model, tokenizer) - plain).max() < (0.01 if bits == 8 else 0.1)
    folder = mlx_finbert.save(model, tokenizer, tmp_path / "q")
    config = json.loads((folder / "config.json").read_text())
    assert config["quantization"] == {"group_size": 64, "bits": bits}
    assert config["dtype"] == dtype
    again, tokenizer, report = load_with_report(folder)
    assert report.new == report.unused == []
    np.testing.assert_array_equal(logits(again, tokenizer), logits(model, tokenizer))
    found, expected = (dict(tree_flatten(m.parameters())) for m in (again, model))
    assert {name: value.dtype for name, value in found.items()} == {
        name: value.dtype for name, value in expected.items()
    }


def test_a_temperature_that_an_earlier_version_recorded(saved, tmp_path):
    folder, before = saved
    edit_config(folder, calibration_temperature=3.0)
    model, tokenizer = mlx_finbert.load(folder)
    np.testing.assert_allclose(logits(model, tokenizer), before / 3, atol=1e-6)
    again = mlx_finbert.save(model, tokenizer, tmp_path / "again")
    np.testing.assert_allclose(logits(*mlx_finbert.load(again)), before / 3, atol=1e-6)


def test_the_way_of_the_cpu_gives_what_mlx_gives(wide):
    model, _ = mlx_finbert.load(wide())
    linear = nn.QuantizedLinear.from_linear(model.encoder.layer[0].output.dense, 64, 4)
    swap(linear)
    assert type(linear) is layers.QuantizedLinear
    x = mx.random.normal((2, 5, 128))
    expected = nn.QuantizedLinear.__call__(linear, x)
    np.testing.assert_allclose(np.array(linear(x)), np.array(expected), atol=1e-5)


def test_loading_in_another_precision(saved):
    folder, expected = saved
    model, tokenizer = mlx_finbert.load(folder, dtype="float16")
    kinds = {value.dtype for _, value in tree_flatten(model.parameters())}
    assert kinds == {mx.float16, mx.uint32}
    np.testing.assert_allclose(logits(model, tokenizer), expected, atol=1e-2)


def test_rows_that_the_groups_do_not_divide(tiny, wide):
    with pytest.raises(InputError, match="rows of 22 numbers, which is not a multiple of"):
        quantize(tiny[0], Quantization(8))
    with pytest.raises(InputError, match=r"rows of 64 numbers, .* try another `group_size`"):
        quantize(mlx_finbert.load(wide(name="wide"))[0], Quantization(8, 128))


@pytest.mark.parametrize(
    "quantization",
    [
        {"bits": 3, "group_size": 64},
        {"bits": 8, "group_size": 16},
        {"bits": 4, "group_size": 32, "mode": "mxfp4"},
        {"bits": 8, "group_size": 64, "classifier": True},
        {"group_size": 64},
        "int8",
    ],
)
def test_other_quantizations_are_refused_by_key(saved, quantization):
    folder, _ = saved
    edit_config(folder, quantization=quantization)
    with pytest.raises(InputError, match=r"config.json: quantization = .* is not supported"):
        mlx_finbert.load(folder)


def test_the_config_of_mlx_lm_names_the_mode_too(saved):
    folder, expected = saved
    edit_config(folder, quantization={"group_size": 64, "bits": 8, "mode": "affine"})
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)


def test_tensors_that_do_not_fit_give_one_sentence(saved):
    folder, _ = saved
    weights, name = weights_of(folder), "bert.encoder.layer.0.output.dense"

    def broken(words, changes, without=None):
        changed = {k: v for k, v in (weights | changes).items() if k != without}
        mx.save_safetensors(str(folder / "model.safetensors"), changed)
        with pytest.raises(InputError, match=words):
            mlx_finbert.load(folder)

    broken(f"the tensor {name}.scales is missing", {}, f"{name}.scales")
    broken(f"{name}.weight is mlx.core.float32, not quantized", {f"{name}.weight": mx.ones(3)})
    broken(f"{name}.weight has shape", {f"{name}.weight": mx.zeros((64, 16), mx.uint32)})
    broken(f"{name}.scales is mlx.core.int32", {f"{name}.scales": mx.zeros((64, 2), mx.int32)})
    broken("classifier.scales has no place", {"classifier.scales": mx.ones((3, 1))})


def test_a_config_without_its_quantization(saved):
    folder, _ = saved
    edit_config(folder, quantization=None)
    with pytest.raises(InputError, match=r"the tensor .*(scales|biases) has no place"):
        mlx_finbert.load(folder)


def test_evaluate_and_predict_take_a_quantized_model(saved, capsys):
    folder, _ = saved
    assert evaluate(["--model", str(folder), "--data", "sample"]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert mlx_finbert.predict_proba(*mlx_finbert.load(folder), ["profit rose"]).shape == (1, 3)


def test_a_quantized_model_is_not_changed_any_more(saved, tmp_path, capsys):
    folder, _ = saved
    model, _ = mlx_finbert.load(folder)
    with pytest.raises(InputError, match=f"{folder} is quantized"):
        require_plain(model, folder)
    with pytest.raises(InputError, match="LoRA needs a plain model"):
        add_lora(model, LoraConfig())
    argv = ["--model", str(folder), "--output", str(tmp_path / "out"), "--quantize", "8"]
    assert to_mlx(argv) == 2
    assert "is quantized" in capsys.readouterr().err


def test_transformers_refuses_a_quantized_folder(saved):
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForSequenceClassification

    with pytest.raises(RuntimeError, match="mismatched"):
        AutoModelForSequenceClassification.from_pretrained(saved[0])


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "megabytes", "most"), [(8, 26.7, 0.05), (4, 15.5, 0.5)])
def test_real_encoder(minilm, tmp_path, bits, megabytes, most):
    mx.random.seed(0)
    model, tokenizer = mlx_finbert.load(minilm, labels=["bad", "good"])
    before = logits(model, tokenizer)
    quantize(model, Quantization(bits))
    folder = mlx_finbert.save(model, tokenizer, tmp_path / "q")
    size = (folder / "model.safetensors").stat().st_size / 1e6
    assert size == pytest.approx(megabytes, abs=0.1)
    again = mlx_finbert.load(folder)
    assert 0 < np.abs(logits(*again) - before).max() < most
