"""`python -m mlx_finbert.convert.fuse`."""

import json
import shutil

import mlx.core as mx
import numpy as np
import pytest
from small_adapters import TEXTS, adapter_folder, logits

import mlx_finbert
from mlx_finbert.convert.fuse import main
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.lora import has_lora


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fused_folder_is_plain_and_says_the_same(checkpoint, tmp_path, capsys, family, dora):
    base = checkpoint(family)
    folder, expected = adapter_folder(base, tmp_path / "a", dora=dora)
    (folder / "config.yaml").write_text("split_seed: 3\n")
    output = tmp_path / "out"
    assert main(["--model", str(folder), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "model.safetensors, adapters.safetensors" in said
    assert "labels: negative, neutral, positive" in said
    assert "(within 1e-04)" in said
    assert (output / "config.yaml").read_text() == "split_seed: 3\n"
    model, tokenizer = mlx_finbert.load(output)
    assert not has_lora(model)
    np.testing.assert_allclose(logits(model, tokenizer), expected, atol=1e-5)


def test_transformers_opens_it(checkpoint, tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, expected = adapter_folder(checkpoint(), tmp_path / "a")
    assert main(["--model", str(folder), "--output", str(tmp_path / "out")]) == 0
    reference = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    rows = AutoTokenizer.from_pretrained(tmp_path / "out")(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        np.testing.assert_allclose(reference(**rows).logits.numpy(), expected, atol=1e-4)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]


@pytest.mark.usefixtures("tf32")
def test_a_device_that_multiplies_in_tf32_fuses_as_exactly(checkpoint, tmp_path, capsys):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    model, tokenizer = mlx_finbert.load(folder)
    before = logits(model, tokenizer)
    assert main(["--model", str(folder), "--output", str(tmp_path / "out")]) == 0
    assert "(within 1e-04)" in capsys.readouterr().out
    after = logits(*mlx_finbert.load(tmp_path / "out"))
    assert np.abs(after - before).max() > 1e-4  # where nobody asks for precision


def test_an_output_that_holds_a_model_needs_overwrite(checkpoint, tmp_path, capsys):
    folder, expected = adapter_folder(checkpoint(), tmp_path / "a")
    argv = ["--model", str(folder), "--output", str(folder)]
    assert main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0
    assert not (folder / "adapters.safetensors").exists()
    np.testing.assert_allclose(logits(*mlx_finbert.load(folder)), expected, atol=1e-5)


def test_a_base_that_has_moved_can_be_named(checkpoint, tmp_path, capsys):
    base = checkpoint()
    folder, expected = adapter_folder(base, tmp_path / "a")
    shutil.move(base, tmp_path / "elsewhere")
    argv = ["--model", str(folder), "--output", str(tmp_path / "out")]
    assert main(argv) == 2
    assert f"--model {folder} --base-model PLACE" in capsys.readouterr().err
    assert main([*argv, "--base-model", str(tmp_path / "elsewhere")]) == 0
    np.testing.assert_allclose(logits(*mlx_finbert.load(tmp_path / "out")), expected, atol=1e-5)


def test_what_has_no_adapters_is_refused(checkpoint, tmp_path, capsys):
    assert main(["--model", str(checkpoint()), "--output", str(tmp_path / "out")]) == 2
    assert "holds no adapters" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for argv in (["--model", "m"], ["--output", "o"]):
        assert main(argv) == 2
        assert "is missing" in capsys.readouterr().err


def test_a_difference_beyond_the_tolerance_fails(checkpoint, tmp_path, capsys, monkeypatch):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")

    def wrong(model):
        model.classifier.bias = model.classifier.bias + mx.array([0.01, 0, 0])

    monkeypatch.setattr("mlx_finbert.convert.adapters.fuse", wrong)
    monkeypatch.setattr("mlx_finbert.checkpoints.save.has_lora", lambda model: False)
    assert main(["--model", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "1.0e-02 (MORE THAN 1e-04)" in capsys.readouterr().out
