"""Masked-language models are loaded from checkpoints of all kinds, and written for transformers."""

import json

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.load import load_with_report
from mlx_finbert.checkpoints.masked_lm import load_masked_lm, write_masked_lm
from mlx_finbert.checkpoints.tokenizer import save_tokenizer
from mlx_finbert.errors import InputError
from mlx_finbert.models.masked_lm import MASKED_LMS
from mlx_finbert.models.parameters import named_parameters

pytestmark = pytest.mark.usefixtures("backend")

HEADS = {
    "bert": [
        "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.bias",
    ],
    "distilbert": [
        "vocab_transform.weight", "vocab_transform.bias", "vocab_layer_norm.weight",
        "vocab_layer_norm.bias", "vocab_projector.bias",
    ],
    "roberta": [
        "lm_head.dense.weight", "lm_head.dense.bias", "lm_head.layer_norm.weight",
        "lm_head.layer_norm.bias", "lm_head.bias",
    ],
}  # fmt: skip


def weights_of(folder):
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    return weights


def rewrite(folder, weights):
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.fixture
def pretrained(checkpoint):
    """Factory of checkpoints that transformers has written, with their models."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference: pip install torch")
    transformers = pytest.importorskip("transformers")

    def make(family, auto="AutoModelForMaskedLM"):
        folder = checkpoint(family, initializer_range=0.3)
        torch.manual_seed(0)
        config = transformers.AutoConfig.from_pretrained(folder)
        reference = getattr(transformers, auto).from_config(config).eval()
        for value in reference.parameters():
            if value.ndim == 1:  # transformers starts all biases at 0
                value.data += 0.3 * torch.randn(value.shape)
        reference.save_pretrained(folder)
        return folder, reference

    return make


def rows_of(model):
    rng = np.random.default_rng(0)
    ids = rng.integers(5, model.args.vocab_size, (2, 12)).astype(np.int32)
    return ids, np.ones_like(ids), np.array([[3, 1, 7], [0, 11, 4]], np.int32)


def logits_of(model):
    return np.array(model(*map(mx.array, rows_of(model))))


def transformers_logits(reference, model):
    import torch

    ids, mask, positions = rows_of(model)
    with torch.no_grad():
        logits = reference(torch.tensor(ids).long(), torch.tensor(mask).long())
    logits = getattr(logits, "logits", getattr(logits, "prediction_logits", None))
    return np.take_along_axis(logits.numpy(), positions[..., None], axis=1)


def written(model, tokenizer, folder):
    folder.mkdir()
    write_masked_lm(model, folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.mark.parametrize("family", MASKED_LMS)
def test_a_checkpoint_of_transformers(pretrained, family):
    folder, reference = pretrained(family)
    model, _, report = load_masked_lm(folder)
    assert report.new == report.unused == []
    expected = transformers_logits(reference, model)
    assert np.abs(logits_of(model) - expected).max() <= 1e-4


def test_a_checkpoint_of_both_tasks_of_bert(pretrained):
    folder, reference = pretrained("bert", "AutoModelForPreTraining")
    model, _, report = load_masked_lm(folder)
    assert report.new == []
    assert report.unused == ["cls.seq_relationship.bias", "cls.seq_relationship.weight"]
    expected = transformers_logits(reference, model)
    assert np.abs(logits_of(model) - expected).max() <= 1e-4
    assert "bert.pooler.dense.weight" in named_parameters(model)


def test_old_names_of_layer_norms(pretrained):
    folder, _ = pretrained("bert")
    expected = logits_of(load_masked_lm(folder)[0])
    weights = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for key, value in weights_of(folder).items()
    }
    assert "cls.predictions.transform.LayerNorm.gamma" in weights
    rewrite(folder, weights)
    model, _, report = load_masked_lm(folder)
    assert report.new == report.unused == []
    np.testing.assert_array_equal(logits_of(model), expected)


@pytest.mark.parametrize("family", MASKED_LMS)
def test_a_classifier_gives_its_encoder_and_the_head_is_new(checkpoint, family):
    folder = checkpoint(family)
    before = weights_of(folder)
    mx.random.seed(0)
    model, _, report = load_masked_lm(folder)
    assert sorted(report.new) == sorted(HEADS[family])
    outside = {key for key in before if not key.startswith(f"{family}.")}
    assert report.unused == sorted(outside) and "classifier" in str(report)
    found = named_parameters(model)
    for name, value in before.items():
        if name not in outside:
            assert mx.array_equal(found[name], value), name
    for name in report.new:
        if name.endswith(".bias"):
            assert not found[name].any()
        elif found[name].ndim == 1:
            assert (found[name] == 1).all()
        else:
            assert found[name].std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("family", MASKED_LMS)
def test_repeated_tensors_are_recognised(pretrained, family):
    folder, _ = pretrained(family)
    model, _, _ = load_masked_lm(folder)
    expected, weights = logits_of(model), weights_of(folder)
    for copy, original in type(model).copies.items():
        weights[copy] = weights[original]
    rewrite(folder, weights)
    model, _, report = load_masked_lm(folder)
    assert report.new == report.unused == []
    np.testing.assert_array_equal(logits_of(model), expected)


@pytest.mark.parametrize(
    ("family", "copy"),
    [(family, key) for family, kind in MASKED_LMS.items() for key in kind.copies],
)
def test_a_copy_that_differs_is_refused(pretrained, family, copy):
    folder, _ = pretrained(family)
    weights = weights_of(folder)
    weights[copy] = weights[MASKED_LMS[family].copies[copy]] + 1e-3
    rewrite(folder, weights)
    with pytest.raises(InputError, match=rf"{folder}: the tensor {copy} differs from .* not tied"):
        load_masked_lm(folder)


def test_a_bias_under_the_name_of_its_copy_alone(pretrained):
    folder, _ = pretrained("bert")
    expected, weights = logits_of(load_masked_lm(folder)[0]), weights_of(folder)
    weights["cls.predictions.decoder.bias"] = weights.pop("cls.predictions.bias")
    rewrite(folder, weights)
    model, _, report = load_masked_lm(folder)
    assert report.new == []
    np.testing.assert_array_equal(logits_of(model), expected)


def test_what_has_no_place_is_refused(pretrained):
    folder, _ = pretrained("bert")
    weights = weights_of(folder)
    rewrite(folder, weights | {"bert.encoder.layer.7.output.dense.bias": mx.zeros(15)})
    with pytest.raises(InputError, match=r"layer\.7\.output\.dense\.bias has no place in BertForM"):
        load_masked_lm(folder)
    weights.pop("bert.embeddings.LayerNorm.bias")
    rewrite(folder, weights)
    with pytest.raises(InputError, match=r"bert\.embeddings\.LayerNorm\.bias is missing"):
        load_masked_lm(folder)


def test_quantized_weights_and_adapters_are_refused(checkpoint):
    folder = checkpoint()
    edit_config(folder, quantization={"group_size": 32, "bits": 8})
    with pytest.raises(InputError, match="is quantized, and cannot be pretrained"):
        load_masked_lm(folder)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapters.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="holds adapters; fuse them first"):
        load_masked_lm(folder)


def test_a_tokenizer_without_a_mask_token_is_refused(checkpoint):
    folder = checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps({"mask_token": None}))
    with pytest.raises(InputError, match="the tokenizer has no mask token"):
        load_masked_lm(folder)


@pytest.mark.parametrize("family", MASKED_LMS)
def test_a_written_model_opens_in_transformers(pretrained, tmp_path, family):
    from transformers import AutoModelForMaskedLM

    model, tokenizer, _ = load_masked_lm(pretrained(family)[0])
    folder = written(model, tokenizer, tmp_path / "out")
    reference, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    expected = transformers_logits(reference.eval(), model)
    assert np.abs(logits_of(model) - expected).max() <= 1e-4
    again, _, report = load_masked_lm(folder)
    assert report.new == report.unused == []
    np.testing.assert_array_equal(logits_of(again), logits_of(model))


@pytest.mark.parametrize("family", MASKED_LMS)
def test_a_classifier_goes_on_from_a_written_model(pretrained, tmp_path, family):
    import torch
    from transformers import AutoModelForSequenceClassification

    auto = "AutoModelForPreTraining" if family == "bert" else "AutoModelForMaskedLM"
    model, tokenizer, _ = load_masked_lm(pretrained(family, auto)[0])
    folder = written(model, tokenizer, tmp_path / "out")
    classifier, _, report = load_with_report(folder)
    # The pooler comes from the checkpoint.
    assert all(key.startswith(("classifier.", "pre_classifier.")) for key in report.new)
    for name, value in named_parameters(model).items():
        if name.startswith(type(model).prefix):
            assert mx.array_equal(named_parameters(classifier)[name], value), name
    reference = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    for name, value in reference.state_dict().items():
        if name.startswith(type(model).prefix):
            assert torch.equal(value, torch.tensor(np.array(named_parameters(model)[name]))), name


def test_the_real_encoder_with_a_fresh_head(minilm, tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch, the reference: pip install torch")
    from transformers import AutoModelForMaskedLM

    mx.random.seed(0)
    model, tokenizer, report = load_masked_lm(minilm)
    assert sorted(report.new) == sorted(HEADS["bert"])
    assert report.unused == ["bert.embeddings.position_ids"]
    folder = written(model, tokenizer, tmp_path / "out")
    reference, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert info["unexpected_keys"] == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    expected = transformers_logits(reference.eval(), model)
    assert np.abs(expected).max() > 0.1
    assert np.abs(logits_of(model) - expected).max() <= 1e-4
    classifier, _ = mlx_finbert.load(folder)
    poolers = [named_parameters(m)["bert.pooler.dense.weight"] for m in (model, classifier)]
    assert mx.array_equal(*poolers)
