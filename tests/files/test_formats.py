"""Files with a wrong name or format: the error says what they are and what to do."""

import gzip
import io
import json
import tarfile
import zipfile

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 437955512\n"
)
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("finbert/config.json", "{}")
    return stream.getvalue()


def tarred():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("finbert/config.json"))
    return stream.getvalue()


CONTENTS = {
    "pointer": (POINTER, "is a git-LFS pointer and not the file itself: run `git lfs pull`"),
    "page": (PAGE, r"is a web page \(HTML\)"),
    "empty": (b"", "is empty: download it again"),
    "zip": (zipped(), r"is an archive \(zip\): unpack it"),
    "gzip": (gzip.compress(b"x" * 99), r"is an archive \(gzip\): unpack it"),
    "tar": (tarred(), r"is an archive \(tar\): unpack it"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file of Keras or TensorFlow"),
    "gguf": (b"GGUF\x03\0\0\0" + bytes(99), "is a GGUF file for llama.cpp"),
}
NAMES = [
    "config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "model.safetensors.index.json", "shard",
    "adapters.safetensors", "adapter_config.json",
]  # fmt: skip


def folder_with(checkpoint, name, content):
    """Make a checkpoint, replace the file of this name, and return the folder and the file."""
    folder = checkpoint()
    weights = folder / "model.safetensors"
    if name in ("pytorch_model.bin", "model.safetensors.index.json"):
        weights.unlink()
    if name == "shard":
        weights.unlink()
        name = "model-00001-of-00002.safetensors"
        index = {"weight_map": {"bert.x": name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    if name == "adapters.safetensors":
        from small_adapters import adapter_folder

        folder, _ = adapter_folder(folder, folder.parent / "adapters")
    (folder / name).write_bytes(content)
    return folder, folder / name


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_folder_is_recognised(checkpoint, tmp_path, capsys, name, kind):
    content, words = CONTENTS[kind]
    folder, path = folder_with(checkpoint, name, content)
    with pytest.raises(InputError, match=f"{path.name} {words}"):
        mlx_finbert.load(folder)
    assert to_mlx(["--model", str(folder), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {path} ")
    assert said.err.count("\n") == 1
    assert not said.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "adapters.safetensors"])
def test_a_servers_answer_in_the_place_of_weights(checkpoint, name):
    folder, _ = folder_with(checkpoint, name, b"Invalid username or password.\n")
    with pytest.raises(InputError, match="is text that begins with 'Invalid username or pass"):
        mlx_finbert.load(folder)


@pytest.mark.parametrize("zip_format", [True, False])
def test_each_form_of_weights_under_the_name_of_the_other(checkpoint, zip_format):
    torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the file")
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    state = {k: torch.tensor(np.array(v)) for k, v in weights.items()}
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        InputError, match=r"\.bin is a safetensors file by its content: rename it to model\.safe"
    ):
        mlx_finbert.load(folder)
    (folder / "pytorch_model.bin").unlink()
    torch.save(state, folder / "model.safetensors", _use_new_zipfile_serialization=zip_format)
    with pytest.raises(
        InputError,
        match=r"is a torch\.save file by its content: rename it to pytorch_model\.bin",
    ):
        mlx_finbert.load(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    mlx_finbert.load(folder)


def test_a_byte_order_mark_before_json_is_no_fault(checkpoint):
    folder = checkpoint()
    path = folder / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert mlx_finbert.load(folder)[0].args.labels == ["negative", "neutral", "positive"]


@pytest.mark.parametrize("content", [b"[]", b'"bert"', b"{", b"\xff\xfe{\0}\0", b"\0\1\2\3"])
def test_a_config_that_is_no_json_object(checkpoint, content):
    folder, path = folder_with(checkpoint, "config.json", content)
    with pytest.raises(InputError, match=f"{path} (is not valid JSON|holds a)"):
        mlx_finbert.load(folder)


def test_a_file_in_the_place_of_a_folder(checkpoint):
    folder = checkpoint()
    with pytest.raises(InputError, match=f"is a file; give the folder of the checkpoint, {folder}"):
        resolve(folder / "model.safetensors")
    (folder / "finbert.zip").write_bytes(zipped())
    with pytest.raises(InputError, match=r"finbert\.zip is an archive \(zip\): unpack it"):
        resolve(folder / "finbert.zip")
