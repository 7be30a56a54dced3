"""Folders that are no checkpoint: one sentence on what they are and what to do."""

import json
import shutil

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError


@pytest.fixture
def says(tmp_path, capsys):
    """Whether loading a folder says this, and the command too, with status 2."""

    def check(folder, words):
        with pytest.raises(InputError, match=words) as found:
            mlx_finbert.load(folder)
        assert to_mlx(["--model", str(folder), "--output", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err == f"error: {found.value}\n"

    return check


def test_a_trainers_output_names_its_newest_checkpoint(checkpoint, tmp_path, says):
    parent = tmp_path / "output"
    for step in (500, 1000, 90):
        shutil.copytree(checkpoint(name=f"c{step}"), parent / f"checkpoint-{step}")
    (parent / "runs").mkdir()
    says(parent, f"Trainer's checkpoints; give one of them \\(newest: {parent}/checkpoint-1000\\)$")
    mlx_finbert.load(parent / "checkpoint-1000")


def test_the_old_layout_of_sentence_transformers(checkpoint, tmp_path, says):
    parent = tmp_path / "sentence"
    shutil.copytree(checkpoint(), parent / "0_Transformer")
    (parent / "1_Pooling").mkdir()
    (parent / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": false}')
    (parent / "modules.json").write_text("[]")
    says(parent, f"has its model in a subfolder; give {parent}/0_Transformer$")


@pytest.mark.parametrize("depth", ["finbert", "models/finbert"])
def test_a_folder_above_a_model(checkpoint, tmp_path, says, depth):
    parent = tmp_path / "above"
    shutil.copytree(checkpoint(), parent / depth)
    says(parent, f"give {parent}/{depth}$")


def test_a_folder_above_several_models(checkpoint, tmp_path, says):
    for name in ("a", "b"):
        shutil.copytree(checkpoint(name=name), tmp_path / "above" / name)
    says(tmp_path / "above", r"holds 2 models; give one of them, such as .*/a, .*/b$")


def test_a_folder_within_a_model(checkpoint, says):
    folder = checkpoint()
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": false}')
    says(folder / "1_Pooling", f"is part of the checkpoint {folder}; give that folder$")


def test_a_run_without_a_model_yet(tmp_path, says):
    state = tmp_path / "run" / "checkpoints" / "step-10"
    state.mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").touch()
    for folder in (tmp_path / "run", state):
        command = rf"python -m mlx_finbert\.train --resume-from-checkpoint {tmp_path}/run"
        says(folder, f"continue it with {command}$")


def test_a_state_of_a_run(checkpoint, says):
    run = checkpoint()
    (run / "config.yaml").touch()
    (run / "checkpoints" / "step-10").mkdir(parents=True)
    says(
        run / "checkpoints" / "step-10",
        f"state, not a model; give the run's folder, {run}$",
    )


def test_bert_config_json(checkpoint, says):
    folder = checkpoint()
    (folder / "config.json").rename(folder / "bert_config.json")
    says(folder, "rename bert_config.json to config.json")
    (folder / "model.safetensors").unlink()
    (folder / "bert_model.ckpt.index").touch()
    says(folder, r"is a TensorFlow checkpoint in Google's layout \(bert_config.json\); use")


@pytest.mark.parametrize(
    ("name", "framework"),
    [
        ("tf_model.h5", "TensorFlow"),
        ("bert_model.ckpt.index", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("model.onnx", "ONNX"),
        ("onnx/model_quantized.onnx", "ONNX"),
        ("openvino_model.xml", "OpenVINO"),
        ("finbert-q8.gguf", "llama.cpp"),
    ],
)
def test_weights_of_another_framework(checkpoint, says, name, framework):
    folder = checkpoint()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    mlx_finbert.load(folder)
    (folder / "model.safetensors").unlink()
    says(folder, f"has weights for {framework} only; use .* model.safetensors or pytorch_model")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("best.safetensors", r"rename best\.safetensors to model\.safetensors"),
        ("model-00001-of-00002.safetensors", r"without their \.index\.json"),
        ("adapter_model.safetensors", r"without its adapter_config\.json"),
    ],
)
def test_weights_under_another_name(checkpoint, says, name, words):
    folder = checkpoint()
    (folder / "model.safetensors").rename(folder / name)
    says(folder, words)


def test_torch_weights_under_other_names(checkpoint, says):
    torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the file")
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    state = {k: torch.tensor(np.array(v)) for k, v in weights.items()}
    (folder / "model.safetensors").unlink()
    for name in ("last.ckpt", "optimizer.pt", "rng_state.pth", "training_args.bin"):
        torch.save(state, folder / name)
    says(folder, r"rename last\.ckpt to pytorch_model\.bin$")
    torch.save(state, folder / "best.ckpt")
    says(folder, r"\(best\.ckpt, last\.ckpt\); rename the one to use to pytorch_model\.bin$")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_folders_and_broken_links_where_files_should_be(checkpoint, says, name):
    folder = checkpoint()
    (folder / name).unlink()
    (folder / name).mkdir()
    says(folder, f"has a folder named {name} where a file should be")
    (folder / name).rmdir()
    (folder / name).symlink_to(folder / "blobs" / "0123")
    says(folder, f"has a link {name} to a file that no longer exists")


def test_an_archive_in_a_folder(tmp_path, says):
    (tmp_path / "finbert.tar.gz").touch()
    says(tmp_path, r"holds the archive finbert\.tar\.gz; unpack it")


def test_a_core_ml_package(tmp_path, says):
    (tmp_path / "FinBERT.mlpackage").mkdir()
    says(tmp_path / "FinBERT.mlpackage", "is a Core ML model; give the folder of the checkpoint")


def test_what_cannot_be_read_nearby_is_passed_over(tmp_path, says, monkeypatch):
    def forbidden(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("mlx_finbert.checkpoints.folder_layouts.has_config", forbidden)
    (tmp_path / "private").mkdir()
    says(tmp_path, r"has no config\.json")


def test_a_folder_of_nothing(tmp_path, says):
    says(tmp_path, r"has no config\.json; it is not a checkpoint folder, or is incomplete")


@pytest.mark.parametrize("place", ["../other.safetensors", "/etc/passwd", "sub/a.safetensors"])
def test_an_index_that_points_out_of_its_folder(checkpoint, says, place):
    folder = checkpoint()
    (folder / "sub").mkdir()
    shutil.copy(folder / "model.safetensors", folder.parent / "other.safetensors")
    (folder / "model.safetensors").rename(folder / "sub" / "a.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"bert.x": place}}))
    says(folder, f"names {place}, which is not directly in its folder")


@pytest.mark.parametrize(
    ("quantization", "tool"),
    [
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "awq"}, "awq"),
        ({"bits": 4}, "bits"),
    ],
)
def test_a_folder_that_another_tool_has_quantized(checkpoint, says, quantization, tool):
    folder = checkpoint(quantization_config=quantization)
    says(folder, f"quantized by another tool .*{tool}.*; use the checkpoint from before")


def test_a_folder_of_peft(checkpoint, says):
    folder = checkpoint()
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "base_model_name_or_path": "ProsusAI/finbert", "r": 8}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    says(folder, r"PEFT adapter \(LORA\) of ProsusAI/finbert; merge it .*merge_and_unload\(\)")


def test_a_state_of_a_run_by_its_bare_name(tmp_path, monkeypatch):
    state = tmp_path / "run" / "checkpoints" / "step-10"
    state.mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text("")
    monkeypatch.chdir(state.parent)
    with pytest.raises(InputError, match="belongs to a training run that has no model yet"):
        mlx_finbert.load("step-10")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "step-3").mkdir()
    with pytest.raises(InputError, match=r"step-3 has no config\.json"):
        mlx_finbert.load("step-3")
