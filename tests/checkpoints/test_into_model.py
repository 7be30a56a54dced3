"""Weights that are NaN or infinite are refused by name, wherever they come from."""

import math

import mlx.core as mx
import pytest
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.predict import main as predict

NAME = "bert.encoder.layer.1.output.dense.weight"


def spoil(path, value, dtype=mx.float32, name=NAME):
    """Put one value into a tensor of a safetensors file."""
    weights = mx.load(str(path))
    mx.eval(weights)
    spoiled = weights[name].flatten()
    spoiled[7] = value
    weights[name] = spoiled.reshape(weights[name].shape).astype(dtype)
    mx.save_safetensors(str(path), weights)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
def test_a_weight_that_is_not_finite_is_refused_by_name(checkpoint, value, dtype):
    folder = checkpoint()
    spoil(folder / "model.safetensors", value, dtype)
    with pytest.raises(InputError, match=rf"tiny: the weight {NAME} is not finite .* an earlier"):
        mlx_finbert.load(folder)


@pytest.mark.parametrize("of_base", [True, False])
def test_adapters_and_their_base_too(checkpoint, tmp_path, of_base):
    base = checkpoint()
    folder, _ = adapter_folder(base, tmp_path / "a")
    path = base / "model.safetensors" if of_base else folder / "adapters.safetensors"
    name = NAME if of_base else "classifier.weight"
    spoil(path, math.nan, name=name)
    with pytest.raises(InputError, match=f"the weight {name} is not finite"):
        mlx_finbert.load(folder)


def test_no_command_goes_on_with_such_a_weight(checkpoint, tmp_path, capsys):
    folder, output = checkpoint(), tmp_path / "out"
    spoil(folder / "model.safetensors", math.nan)
    (tmp_path / "texts.csv").write_text("text,label\nprofit rose,positive\nsales fell,negative\n")
    rows, model = str(tmp_path / "texts.csv"), str(folder)
    for command in (
        lambda: to_mlx(["--model", model, "--output", str(output)]),
        lambda: predict(["--model", model, "--input", rows, "--output", str(output)]),
        lambda: evaluate(["--model", model, "--data", rows]),
    ):
        assert command() == 2
        assert f"the weight {NAME} is not finite" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("adapted", [True, False])
def test_a_weight_beyond_half_precision_names_the_dtype(checkpoint, tmp_path, adapted):
    folder = checkpoint()
    spoil(folder / "model.safetensors", 1e5)
    if adapted:
        folder, _ = adapter_folder(folder, tmp_path / "a")
    mlx_finbert.load(folder)
    mlx_finbert.load(folder, dtype="bfloat16")
    with pytest.raises(InputError, match=r"output\.dense.*weight is too large for float16; choose"):
        mlx_finbert.load(folder, dtype="float16")


def test_finite_weights_whose_sum_is_not(checkpoint):
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    weights[NAME] = mx.full(weights[NAME].shape, 6e4, mx.float16)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    mlx_finbert.load(folder)


def test_what_is_not_used_may_be_anything(checkpoint):
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    weights["cls.predictions.bias"] = mx.array([math.nan])
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    mlx_finbert.load(folder)
