"""Safetensors of every dtype, and headers that lie."""

import json
import struct

import mlx.core as mx
import numpy as np
import pytest
from small_adapters import logits

import mlx_finbert
from mlx_finbert.checkpoints.files import read_safetensors
from mlx_finbert.errors import InputError


def write(path, header, data=b""):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype, shape, size):
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}


def test_float64_loads_as_float32(checkpoint):
    from safetensors.numpy import save_file

    folder = checkpoint()
    expected = logits(*mlx_finbert.load(folder))
    weights = mx.load(str(folder / "model.safetensors"))
    doubles = {k: np.array(v).astype(np.float64) for k, v in weights.items()}
    save_file(doubles, folder / "model.safetensors")
    model, tokenizer = mlx_finbert.load(folder)
    assert model.classifier.weight.dtype == mx.float32
    np.testing.assert_array_equal(logits(model, tokenizer), expected)


def test_every_dtype_beside_float64(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the file")
    from safetensors.torch import save_file

    values = torch.tensor([[1.0, 0.0, 3.0], [4.0, 5.0, 6.0]])
    names = (
        "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool"
    )
    tensors = {name: values.to(getattr(torch, name)) for name in names.split()}
    tensors |= {"scalar": torch.tensor(7.5).double(), "empty": torch.zeros(0, 3)}
    save_file(tensors, tmp_path / "w.safetensors")
    found = read_safetensors(tmp_path / "w.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        wanted = "float32" if tensor.dtype == torch.float64 else str(tensor.dtype).split(".")[1]
        assert str(found[name].dtype).split(".")[-1].rstrip("_") == wanted
        assert found[name].shape == tuple(tensor.shape)
        assert found[name].astype(mx.float32).tolist() == tensor.float().tolist()


def test_a_tensor_of_more_axes_than_numpy_has(tmp_path):
    path = write(tmp_path / "w.safetensors", entry("F32", [1] * 64, 4), b"8888")
    assert read_safetensors(path)["w"].ndim == 64
    path = write(tmp_path / "w.safetensors", entry("F32", [1] * 65, 4), b"8888")
    with pytest.raises(InputError, match="is damaged: the tensor w has 65 axes; download it"):
        read_safetensors(path)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_a_dtype_that_mlx_has_not(tmp_path, dtype):
    path = write(tmp_path / "w.safetensors", entry(dtype, [2], 2), b"88")
    with pytest.raises(InputError, match=f"w has the unsupported dtype {dtype}; use the"):
        read_safetensors(path)


@pytest.mark.parametrize(
    "header",
    [
        entry("F32", [4], 8),
        entry("F32", [1], 8),
        entry("F32", [-2], 8),
        entry("F64", [2], 8),
        entry("Q9", [2], 8),
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [100, 108]}},
        {"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"w": {"dtype": "F32"}},
        {"w": 5},
        [],
    ],
)
def test_a_header_that_lies_is_damage(tmp_path, header):
    path = write(tmp_path / "w.safetensors", header, bytes(8))
    with pytest.raises(InputError, match=rf"{path} is damaged: [^\n]+; download it again$"):
        read_safetensors(path)


def test_bytes_beyond_the_tensors_are_damage(tmp_path):
    path = write(tmp_path / "w.safetensors", entry("F32", [2], 8), bytes(80))
    with pytest.raises(InputError, match="is damaged"):
        read_safetensors(path)


def test_our_own_files_are_right_to_the_library(checkpoint, tmp_path):
    from safetensors.numpy import load_file

    folder = mlx_finbert.save(*mlx_finbert.load(checkpoint()), tmp_path / "out")
    assert load_file(folder / "model.safetensors").keys() == read_safetensors(
        folder / "model.safetensors"
    ).keys()  # fmt: skip


def test_json_that_is_nested_too_deeply(checkpoint):
    folder = checkpoint()
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"config\.json is JSON nested deeper than 100 levels"):
        mlx_finbert.load(folder)
