"""`python -m mlx_finbert.convert.to_mlx`."""

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.convert.checkpoints import convert
from mlx_finbert.convert.settings import ToMlxSettings
from mlx_finbert.convert.to_mlx import main


def logits(folder):
    model, tokenizer = mlx_finbert.load(folder)
    rows = tokenizer(["profit rose", "sales"], padding=True, return_tensors="np")
    return np.array(model(mx.array(rows["input_ids"]), mx.array(rows["attention_mask"])))


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("zip_format", [True, False])
def test_a_bin_checkpoint_converts_and_verifies(checkpoint, tmp_path, capsys, family, zip_format):
    torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the file")
    folder, output = checkpoint(family), tmp_path / "out"
    expected = logits(folder)
    weights = mx.load(str(folder / "model.safetensors"))
    state = {k: torch.tensor(np.array(v)) for k, v in weights.items()}
    path = folder / "pytorch_model.bin"
    torch.save(state, path, _use_new_zipfile_serialization=zip_format)
    (folder / "model.safetensors").unlink()
    assert main(["--model", str(folder), "--output", str(output), "--verify"]) == 0
    said = capsys.readouterr().out
    assert "pytorch_model.bin" in said
    assert "labels: negative, neutral, positive" in said
    assert "within 1e-04" in said
    np.testing.assert_array_equal(logits(output), expected)


def test_what_was_new_and_dropped_is_told(minilm, tmp_path, capsys):
    output = tmp_path / "out"
    argv = ["--model", "minilm", "--output", str(output), "--num-labels", "4", "--dtype", "float16"]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "22,714,756 parameters, float16, 45.4 MB" in said
    assert "new: classifier.bias, classifier.weight" in said or "new: classifier.weight" in said
    assert "dropped: bert.embeddings.position_ids" in said
    model, _ = mlx_finbert.load(output)
    assert model.args.labels == ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]
    assert model.classifier.weight.dtype == mx.float16


def test_a_difference_beyond_the_tolerance_fails(checkpoint, tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    monkeypatch.setattr("mlx_finbert.convert.checkpoints.logits_difference", lambda *_: 0.5)
    assert main(["--model", str(checkpoint()), "--output", str(tmp_path / "out"), "--verify"]) == 1
    assert "5.0e-01 (MORE THAN 1e-04)" in capsys.readouterr().out


def test_verification_sees_a_changed_weight(checkpoint):
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from mlx_finbert.convert.parity import logits_difference

    folder = checkpoint()
    model, tokenizer = mlx_finbert.load(folder)
    assert logits_difference(model, tokenizer, folder) < 1e-5
    model.classifier.bias = model.classifier.bias + mx.array([0.01, 0, 0])
    assert logits_difference(model, tokenizer, folder) == pytest.approx(0.01, abs=1e-4)


def test_an_output_that_holds_a_model_needs_overwrite(checkpoint, capsys):
    folder = str(checkpoint())
    assert main(["--model", folder, "--output", folder]) == 2
    assert "--overwrite" in capsys.readouterr().err
    report = convert(ToMlxSettings(model=folder, output=folder, overwrite=True, dtype="bfloat16"))
    assert report.dtype == mx.bfloat16


def test_the_split_of_the_training_run_goes_along(checkpoint, tmp_path):
    folder = checkpoint()
    (folder / "config.yaml").write_text("split_seed: 3\n")
    report = convert(ToMlxSettings(model=str(folder), output=str(tmp_path / "out")))
    assert (report.output / "config.yaml").read_text() == "split_seed: 3\n"
