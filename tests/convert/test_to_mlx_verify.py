"""`to_mlx --verify`: what it compares with, and that its verdict is right."""

import json
import math

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.convert import checkpoints
from mlx_finbert.convert.adapters import FuseReport
from mlx_finbert.convert.fuse import main as fuse
from mlx_finbert.convert.parity import logits_difference
from mlx_finbert.convert.to_mlx import main
from mlx_finbert.errors import InputError
from mlx_finbert.models import lora

torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")

WIDE = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}


def weights_of(folder):
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    return weights


def spell(folder, spelling):
    """Rewrites a folder's weights under other names."""
    weights = {spelling(key): value for key, value in weights_of(folder).items()}
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def wrap(folder):
    """Puts a folder's weights into a training script's checkpoint."""
    state = {key: torch.tensor(np.array(value)) for key, value in weights_of(folder).items()}
    torch.save({"state_dict": state, "epoch": 3}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.fixture
def verify(tmp_path, capsys):
    """Runs the command: its status, and the last two lines that it prints."""

    def run(folder, *flags):
        argv = ["--model", str(folder), "--output", str(tmp_path / "out"), "--verify", *flags]
        status = main(argv)
        said = capsys.readouterr()
        assert "UNEXPECTED" not in said.err
        return status, "\n".join(said.out.splitlines()[-2:]) or said.err

    return run


FOREIGN = {
    "module.": lambda folder: spell(folder, lambda key: f"module.{key}"),
    "Lightning": lambda folder: spell(folder, lambda key: f"model.{key}"),
    "state_dict": wrap,
}


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize(
    "flags", [(), ("--dtype", "float16"), ("--quantize", "8", "--group-size", "32")]
)
def test_what_transformers_cannot_read_is_compared_as_written(checkpoint, verify, form, flags):
    folder = checkpoint(**WIDE)
    FOREIGN[form](folder)
    status, said = verify(folder, *flags)
    assert status == 0
    assert "(within " in said
    assert "not with the source: transformers cannot open it, it finds no " in said


@pytest.mark.parametrize(
    "spelling",
    [
        lambda key: key,
        lambda key: key.removeprefix("bert."),
        lambda key: key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("m.bias", "m.beta"),
    ],
)
def test_what_transformers_can_read_is_compared_itself(checkpoint, tmp_path, verify, spelling):
    folder = checkpoint()
    spell(folder, spelling)
    status, said = verify(folder)
    assert status == 0
    assert said.endswith(f"compared with: {tmp_path / 'out'}, {folder}")


@pytest.mark.parametrize("flags", [(), ("--quantize", "8", "--group-size", "32")])
def test_a_calibration_is_unknown_to_transformers(checkpoint, verify, flags):
    status, said = verify(checkpoint(calibration_temperature=30.0, **WIDE), *flags)
    assert status == 0
    assert "not with the source: transformers does not know its calibration_temperature" in said


def test_a_new_head_is_compared_as_written(checkpoint, verify):
    status, said = verify(checkpoint(), "--new-head")
    assert status == 0
    assert "not with the source: the head is new (classifier.weight, classifier.bias)" in said


@pytest.mark.parametrize("form", [None, *FOREIGN])
@pytest.mark.parametrize("value", [0.01, math.nan])
def test_what_was_written_wrongly_fails(checkpoint, verify, monkeypatch, form, value):
    """A fault of ours between the model and the file is seen, whatever the source."""
    folder = checkpoint()
    if form:
        FOREIGN[form](folder)

    def faulty(model, tokenizer, output, run_files=None):
        mlx_finbert.save(model, tokenizer, output)
        weights = weights_of(output)
        bias = weights["classifier.bias"] + value
        mx.save_safetensors(str(output / "model.safetensors"), weights | {"classifier.bias": bias})

    monkeypatch.setattr(checkpoints, "save", faulty)
    status, said = verify(folder)
    assert status == 1
    assert ("nan" if math.isnan(value) else "1.0e-02") + " (MORE THAN 1e-04)" in said


@pytest.mark.parametrize("form", [None, "module."])
def test_what_transformers_cannot_open_again_is_said(checkpoint, verify, monkeypatch, form):
    folder = checkpoint()
    if form:
        FOREIGN[form](folder)

    def faulty(model, tokenizer, output, run_files=None):
        mlx_finbert.save(model, tokenizer, output)
        config = json.loads((output / "config.json").read_text())
        (output / "config.json").write_text(json.dumps(config | {"hidden_size": 16}))

    monkeypatch.setattr(checkpoints, "save", faulty)
    status, said = verify(folder)
    assert status == 2
    assert "--verify: transformers cannot open " in said


def test_a_wrong_reading_of_the_source_fails(checkpoint, verify, monkeypatch):
    """A fault of ours in reading is seen where transformers reads the source itself."""
    load = checkpoints.load_with_report

    def faulty(*arguments, **more):
        model, tokenizer, report = load(*arguments, **more)
        model.classifier.bias = model.classifier.bias + mx.array([0.01, 0, 0])
        return model, tokenizer, report

    monkeypatch.setattr(checkpoints, "load_with_report", faulty)
    status, said = verify(checkpoint())
    assert status == 1
    assert "1.0e-02 (MORE THAN 1e-04)" in said


@pytest.mark.parametrize("written", ["regression", "single_label_classification", None])
def test_a_model_with_one_output_verifies(checkpoint, verify, written):
    status, said = verify(checkpoint(labels=["score"], problem_type=written))
    assert status == 0
    refused = written == "single_label_classification"
    assert ("requires `num_labels > 1`" in said or "not with the source" in said) is refused


def test_a_reference_with_random_weights_is_refused(checkpoint):
    folder = checkpoint()
    model, tokenizer = mlx_finbert.load(folder)
    spell(folder, lambda key: f"module.{key}")
    with pytest.raises(InputError, match=r"transformers cannot open .* it finds no bert\."):
        logits_difference(model, tokenizer, folder)


def test_a_fusion_that_gives_nan_fails(checkpoint, tmp_path, capsys, monkeypatch):
    from small_adapters import adapter_folder

    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    real = lora.fuse

    def faulty(model):
        real(model)
        model.classifier.bias = model.classifier.bias * math.nan

    monkeypatch.setattr("mlx_finbert.convert.adapters.fuse", faulty)
    assert fuse(["--model", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "nan (MORE THAN" in capsys.readouterr().out
    assert not FuseReport(tmp_path, [], None, math.nan).passed
