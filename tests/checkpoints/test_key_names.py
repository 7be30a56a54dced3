"""Key names of training scripts, of PyTorch's wrappers and of other tools."""

import json

import mlx.core as mx
import numpy as np
import pytest
from small_adapters import logits

import mlx_finbert
from mlx_finbert.checkpoints.load import load_with_report
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.config import HeadOptions


def weights_of(folder):
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    return weights


def rewrite(folder, weights):
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def rename_all(folder, spelling, **more):
    weights = {spelling(key): value for key, value in weights_of(folder).items()}
    rewrite(folder, weights | {key.replace("__", "."): value for key, value in more.items()})


SPELLINGS = {
    "DataParallel": lambda key: f"module.{key}",
    "torch.compile": lambda key: f"_orig_mod.{key}",
    "Lightning": lambda key: f"model.{key}",
    "both": lambda key: f"module._orig_mod.model.{key}",
    "compiled within": lambda key: f"model._orig_mod.{key}",
    "compiled layers": lambda key: key.replace(".attention.", "._orig_mod.attention."),
    "FSDP": lambda key: f"_fsdp_wrapped_module.{key.replace('.0.', '.0._fsdp_wrapped_module.')}",
    "an attribute": lambda key: f"classifier_network.{key}",
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_wrapped_models_are_the_same(checkpoint, family, spelling):
    folder = checkpoint(family)
    expected = logits(*mlx_finbert.load(folder))
    rename_all(folder, SPELLINGS[spelling])
    model, tokenizer, report = load_with_report(folder)
    assert report.new == report.unused == []
    np.testing.assert_array_equal(logits(model, tokenizer), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_config_without_model_type_beside_wrapped_weights(checkpoint, family):
    folder = checkpoint(family)
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    rename_all(folder, lambda key: f"bert.{key}")
    assert mlx_finbert.load(folder)[0].args.model_type == family


@pytest.mark.parametrize("outer", ["", "model.", "encoder.", "0.auto_model.", "module.model."])
def test_a_bare_encoder_within_modules(checkpoint, outer):
    folder = checkpoint()
    kept = {k: v for k, v in weights_of(folder).items() if not k.startswith("classifier")}
    rewrite(folder, {outer + key.removeprefix("bert."): v for key, v in kept.items()})
    _, _, report = load_with_report(folder)
    assert sorted(report.new) == ["classifier.bias", "classifier.weight"]


def test_the_encoder_of_another_family_is_not_taken_for_ours(checkpoint):
    folder = checkpoint()
    rename_all(folder, lambda key: key.replace("bert.", "roberta."))
    with pytest.raises(InputError, match=r"roberta\.\S+ has no place in BertForSequence"):
        mlx_finbert.load(folder)


def test_two_encoders_are_named(checkpoint):
    folder = checkpoint()
    weights = weights_of(folder)
    rewrite(folder, {f"{part}.{k}": v for k, v in weights.items() for part in ("student", "ema")})
    with pytest.raises(
        InputError, match=r"2 encoders \((student|ema)\.bert\., (student|ema)\.bert"
    ):
        mlx_finbert.load(folder)


def test_a_tensor_outside_the_model_is_named(checkpoint):
    folder = checkpoint()
    rename_all(folder, lambda key: key if key.startswith("classifier") else f"model.{key}")
    with pytest.raises(InputError, match=r"classifier\.\S+ is not under 'model\.', where the enc"):
        mlx_finbert.load(folder)
    _, _, report = load_with_report(folder, HeadOptions(is_new=True))
    assert sorted(report.unused) == ["classifier.bias", "classifier.weight"]


def test_two_names_of_one_tensor(checkpoint):
    folder = checkpoint()
    name = "bert.embeddings.LayerNorm"
    rewrite(folder, weights_of(folder) | {f"{name}.gamma": mx.ones(15)})
    with pytest.raises(InputError, match=rf"has the tensor {name}\.weight twice"):
        mlx_finbert.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "loss_fct.weight",
        "criterion.weight",
        "loss.weight",
        "loss_fn.pos_weight",
        "ce_loss.weight",
        "focal_loss.alpha",
        "train_criterion.weight",
        "class_weights",
    ],
)
@pytest.mark.parametrize("outer", ["", "model."])
@pytest.mark.parametrize("within", [True, False])
def test_a_loss_weight_is_named_and_left_out(checkpoint, tmp_path, capsys, name, outer, within):
    folder = checkpoint()
    expected = logits(*mlx_finbert.load(folder))
    key = outer + name if within else name
    rename_all(folder, lambda key: outer + key)
    rewrite(folder, weights_of(folder) | {key: mx.ones(3)})
    assert to_mlx(["--model", str(folder), "--output", str(tmp_path / "out")]) == 0
    assert f"dropped: {name}\n" in capsys.readouterr().out
    np.testing.assert_array_equal(logits(*mlx_finbert.load(tmp_path / "out")), expected)


def test_what_only_sounds_like_a_loss_is_refused(checkpoint):
    folder = checkpoint()
    name = "bert.encoder.layer.0.loss_adapter.weight"
    rewrite(folder, weights_of(folder) | {name: mx.ones(3)})
    with pytest.raises(InputError, match=f"{name} has no place"):
        mlx_finbert.load(folder)


@pytest.mark.parametrize(
    ("spelling", "words"),
    [
        (
            lambda key: "base_model.model." + key.replace("query.w", "query.base_layer.w"),
            "merge_and",
        ),
        (lambda key: key.replace("query.bias", "query.lora_A.default.weight"), "merge_and_unload"),
        (
            lambda key: key.replace("classifier.", "classifier.modules_to_save.default."),
            "merge_and",
        ),
        (lambda key: key.replace("query.bias", "query.SCB"), "quantized by another tool"),
        (lambda key: key.replace("query.weight", "query.qweight"), "quantized by another tool"),
    ],
)
def test_tensors_of_other_tools(checkpoint, spelling, words):
    folder = checkpoint()
    rename_all(folder, spelling)
    with pytest.raises(InputError, match=words):
        mlx_finbert.load(folder)
