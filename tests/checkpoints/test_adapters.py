"""Folders of adapters: what is in them, and what is refused."""

import json
import shutil

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from small_adapters import adapted, adapter_folder, logits

import mlx_finbert
from mlx_finbert.checkpoints.adapters import load_adapters, save_adapters
from mlx_finbert.checkpoints.load import load_with_report, require_plain
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.lora import LoraConfig, adapter_parameters, add_lora, has_lora


def weights_of(folder):
    weights = mx.load(str(folder / "adapters.safetensors"))
    mx.eval(weights)
    return weights


def rewrite(folder, weights):
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)


def edit(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_adapters_loads_with_its_base(checkpoint, tmp_path, family, dora):
    base = checkpoint(family)
    folder, expected = adapter_folder(base, tmp_path / "a", dora=dora, layers=1, dropout=0.5)
    model, tokenizer, report = load_with_report(folder)
    assert has_lora(model)
    np.testing.assert_array_equal(logits(model, tokenizer), expected)
    assert report.source == folder
    assert report.files == ["model.safetensors", "adapters.safetensors"]
    assert report.new == report.unused == []
    trainable = set(dict(tree_flatten(model.trainable_parameters())))
    assert trainable == set(adapter_parameters(model)) == set(weights_of(folder))


def test_what_the_folder_holds(checkpoint, tmp_path):
    base = checkpoint()
    folder, _ = adapter_folder(base, tmp_path / "a", layers=1, keys=["output.dense"])
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "adapter_config.json", "adapters.safetensors", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    weights = weights_of(folder)
    assert {value.dtype for value in weights.values()} == {mx.float32}
    adapter = "bert.encoder.layer.1.output.dense.lora_"
    head = {f"{name}.{leaf}" for name in ("bert.pooler.dense", "classifier")
            for leaf in ("weight", "bias")}  # fmt: skip
    assert set(weights) == head | {f"{adapter}a", f"{adapter}b"}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model"] == str(base.resolve())
    assert config["lora"] == {
        "rank": 4, "alpha": 6.0, "dropout": 0.0, "layers": 1, "dora": False,
        "keys": ["output.dense"],
    }  # fmt: skip
    model, _ = mlx_finbert.load(folder)
    assert model.args.labels == ["negative", "neutral", "positive"]


def test_a_temperature_that_an_earlier_version_recorded(checkpoint, tmp_path):
    """It is in the head of what is loaded, and so of what is saved."""
    folder, before = adapter_folder(checkpoint(), tmp_path / "a")
    path = folder / "adapter_config.json"
    recorded = json.loads(path.read_text())
    recorded["config"]["calibration_temperature"] = 3.0
    path.write_text(json.dumps(recorded))
    model, tokenizer = mlx_finbert.load(folder)
    np.testing.assert_allclose(logits(model, tokenizer), before / 3, atol=1e-6)
    args = LoraConfig(**recorded["lora"]), recorded["base_model"]
    again = save_adapters(model, tokenizer, tmp_path / "b", *args)
    np.testing.assert_allclose(logits(*mlx_finbert.load(again)), before / 3, atol=1e-6)
    recorded["config"]["calibration_temperature"] = 0
    path.write_text(json.dumps(recorded))
    with pytest.raises(InputError, match=r"adapter_config.json: calibration_temperature is 0, not"):
        mlx_finbert.load(folder)


def test_the_base_may_have_no_head_and_half_precision(checkpoint, tmp_path):
    base = checkpoint()
    weights = {
        name: value.astype(mx.float16)
        for name, value in mx.load(str(base / "model.safetensors")).items()
        if not name.startswith(("classifier.", "bert.pooler."))
    }
    mx.eval(weights)
    mx.save_safetensors(str(base / "model.safetensors"), weights)
    folder, expected = adapter_folder(base, tmp_path / "a")
    model, tokenizer = mlx_finbert.load(folder)
    np.testing.assert_array_equal(logits(model, tokenizer), expected)
    assert {value.dtype for _, value in tree_flatten(model.parameters())} == {mx.float32}
    model, _ = mlx_finbert.load(folder, dtype="float16")
    assert {value.dtype for _, value in tree_flatten(model.parameters())} == {mx.float16}


def test_wishes_upon_adapters(checkpoint, tmp_path):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    with pytest.raises(InputError, match="in this order"):
        mlx_finbert.load(folder, labels=["positive", "neutral", "negative"])
    with pytest.raises(InputError, match="adapters with their own head"):
        mlx_finbert.load(folder, new_head=True)
    with pytest.raises(InputError, match="holds no adapters"):
        mlx_finbert.load(tmp_path / "tiny", base_model=folder)


def test_a_base_that_has_moved(checkpoint, tmp_path):
    base = checkpoint()
    folder, expected = adapter_folder(base, tmp_path / "a")
    shutil.move(base, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{base}: there is no such folder.*--base-model PLACE"):
        mlx_finbert.load(folder)
    found = mlx_finbert.load(folder, base_model=tmp_path / "elsewhere")
    np.testing.assert_array_equal(logits(*found), expected)


def test_a_relative_path_of_the_base_holds_from_anywhere(checkpoint, tmp_path, monkeypatch):
    model, tokenizer, lora = adapted(checkpoint())
    monkeypatch.chdir(tmp_path)
    save_adapters(model, tokenizer, "a", lora, "tiny")
    monkeypatch.chdir(tmp_path / "a")
    again, _ = mlx_finbert.load(tmp_path / "a")
    np.testing.assert_array_equal(logits(again, tokenizer), logits(model, tokenizer))


def test_another_base_is_told_by_its_weights(checkpoint, tmp_path):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    other = checkpoint(name="other")
    weights = mx.load(str(other / "model.safetensors"))
    weights["bert.encoder.layer.0.output.LayerNorm.bias"] += 1e-3
    mx.eval(weights)
    mx.save_safetensors(str(other / "model.safetensors"), weights)
    with pytest.raises(InputError, match="the weights of the base model differ from"):
        mlx_finbert.load(folder, base_model=other)
    with pytest.raises(
        InputError, match=r"adapter_config.json: intermediate_size = 22, .*wide has shape"
    ):
        mlx_finbert.load(folder, base_model=checkpoint(name="wide", intermediate_size=23))


def test_damaged_folders_give_one_sentence(checkpoint, tmp_path):
    base, name = checkpoint(), "bert.encoder.layer.0.output.dense.lora_a"

    def broken(words, change):
        folder, _ = adapter_folder(base, tmp_path / "a")
        change(folder)
        with pytest.raises(InputError, match=words):
            mlx_finbert.load(folder)

    def put(value):
        return lambda f: rewrite(f, weights_of(f) | {name: value})

    def without(name):
        return lambda f: rewrite(f, {k: v for k, v in weights_of(f).items() if k != name})

    broken(f"adapters.safetensors: the tensor {name} is missing", without(name))
    broken("the tensor classifier.bias is missing", without("classifier.bias"))
    broken(
        r"the tensor .* is mlx.core.float32 \(3, 4\), but the model's is mlx.core.float32 \(22, 4",
        put(mx.zeros((3, 4))),
    )
    broken("is mlx.core.int32", put(mx.zeros((22, 4), mx.int32)))
    broken("x has no place", lambda f: rewrite(f, weights_of(f) | {"x": mx.zeros(1)}))
    broken("no adapters.safetensors", lambda f: (f / "adapters.safetensors").unlink())
    broken("is damaged", lambda f: (f / "adapters.safetensors").write_bytes(b"\0" * 99))
    broken(
        "adapter_config.json is not valid", lambda f: (f / "adapter_config.json").write_text("{")
    )
    broken("not written by mlx-finbert", lambda f: edit(f, lora={"r": 8}))
    broken("not written by mlx-finbert", lambda f: edit(f, lora={"rank": "8"}))
    broken("not written by mlx-finbert", lambda f: edit(f, num_layers=2))
    broken("`lora_layers` is 9", lambda f: edit(f, lora={"layers": 9}))
    broken("the tensor .*lora_a", lambda f: edit(f, lora={"rank": 5}))


def test_a_save_takes_the_place_of_what_was_there(checkpoint, tmp_path):
    base = checkpoint()
    folder = mlx_finbert.save(*mlx_finbert.load(base), tmp_path / "a")
    (folder / "notes.txt").write_text("mine")
    adapter_folder(base, folder)
    assert not (folder / "config.json").exists()
    assert not (folder / "model.safetensors").exists()
    assert has_lora(mlx_finbert.load(folder)[0])
    mlx_finbert.save(*mlx_finbert.load(base), folder)
    assert not (folder / "adapters.safetensors").exists()
    assert not has_lora(mlx_finbert.load(folder)[0])
    assert (folder / "notes.txt").read_text() == "mine"


def test_saves_that_would_break_something_are_refused(checkpoint, tmp_path):
    base = checkpoint()
    model, tokenizer, lora = adapted(base)
    with pytest.raises(InputError, match="holds the base model"):
        save_adapters(model, tokenizer, base, lora, str(base))
    with pytest.raises(InputError, match="fuse them first"):
        mlx_finbert.save(model, tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no adapters"):
        save_adapters(*mlx_finbert.load(base), tmp_path / "out", lora, str(base))


def test_saved_adapters_go_back_into_the_model(checkpoint, tmp_path):
    base = checkpoint()
    folder, expected = adapter_folder(base, tmp_path / "a")
    model, tokenizer = mlx_finbert.load(base)
    add_lora(model, LoraConfig(rank=4, alpha=6.0))
    load_adapters(model, folder)
    np.testing.assert_array_equal(logits(model, tokenizer), expected)
    add_to = mlx_finbert.load(base)[0]
    add_lora(add_to, LoraConfig(rank=4, layers=1))
    with pytest.raises(InputError, match=r"layer\.0\..* has no place in the model's adapters"):
        load_adapters(add_to, folder)


def test_evaluate_and_predict_take_adapters(checkpoint, tmp_path, capsys):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    assert evaluate(["--model", str(folder), "--data", "sample"]) == 0
    assert "accuracy" in capsys.readouterr().out
    model, tokenizer = mlx_finbert.load(folder)
    assert mlx_finbert.predict_proba(model, tokenizer, ["profit rose"]).shape == (1, 3)


def test_training_and_export_want_a_plain_model(checkpoint, tmp_path, capsys):
    base = checkpoint()
    folder, _ = adapter_folder(base, tmp_path / "a")
    require_plain(mlx_finbert.load(base)[0], base)
    with pytest.raises(InputError, match=f"convert.fuse --model {folder} --output DIR"):
        require_plain(mlx_finbert.load(folder)[0], folder)
    assert to_mlx(["--model", str(folder), "--output", str(tmp_path / "out")]) == 2
    assert "fuse them first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("base_model",), 5), (("revision",), []), (("base_sha256",), None), (("lora",), []),
        (("config",), []), (("config", "num_hidden_layers"), 10**6), (("config", "id2label"), 7),
        (("config", "calibration_temperature"), 1e-300), (("lora", "rank"), "4"),
        (("lora", "rank"), 4.0), (("lora", "rank"), 10**9), (("lora", "rank"), True),
        (("lora", "alpha"), 10**400), (("lora", "alpha"), float("inf")),
        (("lora", "alpha"), "x" * 9999),
        (("lora", "layers"), 10**9), (("lora", "layers"), 1.5), (("lora", "keys"), 5),
        (("lora", "keys"), [1]), (("lora", "dora"), "yes"), (("lora", "dropout"), float("nan")),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_or_size_is_one_sentence(checkpoint, tmp_path, path, value):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    config = json.loads((folder / "adapter_config.json").read_text())
    *outer, key = path
    inner = config[outer[0]] if outer else config
    inner[key] = value
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError) as error:
        mlx_finbert.load(folder)
    said = str(error.value)
    assert str(folder / "adapter_config.json") in said
    assert "\n" not in said and len(said) < 1000
