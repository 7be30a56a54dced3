"""`python -m mlx_finbert.convert.to_mlx`."""

import shutil

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.convert.checkpoints import convert
from mlx_finbert.convert.settings import ToMlxSettings
from mlx_finbert.convert.to_mlx import main
from mlx_finbert.files import folder_commit


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


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_transformers_reads_a_recorded_temperature_after_conversion(
    checkpoint, tmp_path, capsys, family
):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    raw = logits(checkpoint(family, name="raw"))
    folder = checkpoint(family, name="recorded", calibration_temperature=3.0)
    assert main(["--model", str(folder), "--output", str(tmp_path / "out")]) == 0
    assert (
        "calibrated: the recorded temperature, 3, is now part of the head"
        in capsys.readouterr().out
    )
    twin = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    rows = AutoTokenizer.from_pretrained(tmp_path / "out")(
        ["profit rose", "sales"], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        found = twin(**rows).logits.numpy()
    np.testing.assert_allclose(found, logits(tmp_path / "out"), atol=1e-5)
    np.testing.assert_allclose(found, raw / 3, atol=1e-5)


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


def test_a_conversion_killed_at_any_move_is_made_again(checkpoint, tmp_path, monkeypatch, capsys):
    folder, output = checkpoint(), tmp_path / "out"
    expected, put = logits(folder), folder_commit._put
    for moves in (0, 1, 2, 3):
        left = iter(range(moves))

        def killed(*names, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            put(*names)

        with monkeypatch.context() as patch:
            patch.setattr(folder_commit, "_put", killed)
            assert main(["--model", str(folder), "--output", str(output)]) == 130
        assert (output / folder_commit.COMMITTED).is_dir()
        (output / ".part-dead1234").mkdir()
        assert main(["--model", str(folder), "--output", str(output)]) == 0
        assert not list(output.glob(".*"))
        np.testing.assert_array_equal(logits(output), expected)
        assert main(["--model", str(folder), "--output", str(output)]) == 2
        shutil.rmtree(output)


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


def test_no_model_is_put_among_the_figures_of_a_training_run(checkpoint, capsys):
    folder = checkpoint()
    (folder / "best.json").write_text("{}")
    argv = ["--model", str(folder), "--output", str(folder), "--dtype", "float16", "--overwrite"]
    assert main(argv) == 2
    assert "holds a training run" in capsys.readouterr().err
    assert mlx_finbert.load(folder)[0].args.num_labels == 3


def test_the_split_of_the_training_run_goes_along(checkpoint, tmp_path):
    folder = checkpoint()
    (folder / "config.yaml").write_text("split_seed: 3\n")
    report = convert(ToMlxSettings(model=str(folder), output=str(tmp_path / "out")))
    assert (report.output / "config.yaml").read_text() == "split_seed: 3\n"


WIDE = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}


@pytest.mark.parametrize("bits", ["8", "4"])
def test_quantizing_tells_what_opens_it(checkpoint, tmp_path, capsys, bits):
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    folder, output = checkpoint(**WIDE), tmp_path / "out"
    argv = ["--model", str(folder), "--output", str(output), "--verify", "--quantize", bits]
    assert main([*argv, "--group-size", "32"]) == 0
    said = capsys.readouterr().out
    plain, _ = mlx_finbert.load(folder)
    count = sum(value.size for _, value in tree_flatten(plain.parameters()))
    assert f"{count:,} parameters, float32" in said
    assert f"quantized: {bits} bits in groups of 32; mlx_finbert opens it, transformers" in said
    assert f"(within {'1e-01' if bits == '8' else '2e+00'})" in said
    assert 0 < np.abs(logits(output) - logits(folder)).max() < 0.1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--quantize", "3"], "--quantize is 3: must be 8 or 4"),
        (["--quantize", "8", "--group-size", "48"], "--group-size is 48: must be 32, 64 or 128"),
        (["--group-size", "32"], "--group-size is 32: it has no effect without --quantize"),
        (["--quantize", "8", "--group-size", "128"], "not a multiple of the group size, 128"),
        (["--quantize", "8", "--new-head"], "no trained head"),
    ],
)
def test_what_cannot_be_quantized(checkpoint, tmp_path, capsys, flags, words):
    argv = ["--model", str(checkpoint(**WIDE)), "--output", str(tmp_path / "out")]
    assert main([*argv, *flags]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
