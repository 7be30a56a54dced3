"""Reads `pytorch_model.bin` without PyTorch and without running any code in it.

Such a file is a pickle of tensors that refer to raw storages. It has one of two layouts:

- zip (PyTorch >= 1.6): `*/data.pkl` is the pickle, `*/data/<key>` are the storages;
- legacy: a magic number, a protocol number, system information, the pickle, the list of storage
  keys, then each storage as an int64 count of elements and its bytes.

Layouts and constants: `torch/serialization.py`.
"""

import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.torch_unpickler import Storage, StorageType, Tensor, WeightsUnpickler
from mlx_finbert.errors import InputError
from mlx_finbert.files.archives import is_about_content, require_names_once
from mlx_finbert.files.formats import TORCH, require_format

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


def read_torch_file(path: Path) -> tuple[dict[str, mx.array], str]:
    """Read the tensors of a file written by `torch.save(state_dict)`, or of a nested state_dict.

    Args:
        path: zip or legacy layout.

    Returns:
        Key names and arrays in the file's dtypes (float64 becomes float32, as MLX has no float64),
        and where in the file's object they were: "", or for example "['state_dict']".

    Raises:
        InputError: for a damaged or truncated file, another format, a global name that a weights
            file does not need, or an object with no dictionary of tensors or several.
    """
    require_format(path, TORCH)
    try:
        read = _read_zip if zipfile.is_zipfile(path) else _read_legacy
        with open(path, "rb") as file:
            state, entry = read(file, path)
        return {key: tensor.to_mlx() for key, tensor in state.items()}, entry
    except InputError:
        raise
    except (
        pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, EOFError, AttributeError,
        LookupError, TypeError, ValueError, OverflowError, MemoryError, RuntimeError, struct.error,
        lzma.LZMAError, OSError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and not is_about_content(error):
            raise
        reason = f"{path} is damaged or not a PyTorch file ({error}); download it again"
        raise InputError(reason) from error


def _read_zip(file: IO[bytes], path: Path) -> tuple[dict[str, Tensor], str]:
    with zipfile.ZipFile(file) as archive:
        require_names_once(archive, path)
        pickles = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise InputError(
                f"{path} is a zip file without PyTorch's data.pkl, not a checkpoint; download it"
                " again"
            )
        root = pickles[0].removesuffix("data.pkl")
        if any(name.startswith(f"{root}code/") for name in archive.namelist()):
            raise InputError(
                f"{path} is a TorchScript program; save the weights of the original model with"
                " torch.save(model.state_dict(), 'pytorch_model.bin')"
            )
        if f"{root}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{root}byteorder") == b"little", path)
        storages: dict[str, Storage] = {}

        def find_storage(saved_id: tuple) -> Storage:
            tag, storage_type, key, _, numel = saved_id
            _require_storage(tag, storage_type, path)
            return storages.setdefault(key, Storage(storage_type, numel))

        with archive.open(pickles[0]) as stream:
            state, entry = _state_dict(WeightsUnpickler(stream, path, find_storage).load(), path)
        wanted = {id(tensor.storage) for tensor in state.values()}
        for key, storage in storages.items():
            if id(storage) in wanted:
                data = archive.read(f"{root}data/{key}")
                storage.values = np.frombuffer(data, storage.type.dtype, count=storage.numel)
    return state, entry


def _read_legacy(file: IO[bytes], path: Path) -> tuple[dict[str, Tensor], str]:
    storages: dict[str, Storage] = {}

    def find_storage(saved_id: tuple) -> Storage:
        tag, storage_type, key, _, numel, view = saved_id
        _require_storage(tag, storage_type, path)
        if view is not None:
            raise InputError(
                f"{path} was written by PyTorch < 0.4 (it has views of storages);"
                " save it again with a newer PyTorch"
            )
        return storages.setdefault(key, Storage(storage_type, numel))

    def load() -> Any:
        return WeightsUnpickler(file, path, find_storage).load()

    if load() != LEGACY_MAGIC or load() != LEGACY_PROTOCOL:
        raise InputError(f"{path} was not written by torch.save; download it again")
    _require_little_endian(load()["little_endian"], path)
    state, entry = _state_dict(load(), path)
    for key in load():
        storage = storages[key]
        (numel,) = np.frombuffer(file.read(8), "<i8")
        if numel != storage.numel:
            raise InputError(
                f"{path}: storage {key} has {numel} elements, not {storage.numel}; download it"
                " again"
            )
        data = file.read(int(numel) * storage.type.dtype.itemsize)
        storage.values = np.frombuffer(data, storage.type.dtype, count=int(numel))
    return state, entry


def _require_storage(tag: Any, storage_type: Any, path: Path) -> None:
    if tag != "storage" or not isinstance(storage_type, StorageType):
        raise InputError(
            f"{path} refers to {tag!r} of {storage_type!r} where a storage is expected; download"
            " it again"
        )


def _require_little_endian(little: bool, path: Path) -> None:
    if not little:
        raise InputError(
            f"{path} was written on a big-endian machine; save it as safetensors there"
        )


def _state_dict(found: Any, path: Path) -> tuple[dict[str, Tensor], str]:
    """Find the weights in a file's object, and their place: training scripts nest them."""
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, not a dictionary of tensors")
    several = dict(_dicts_of_tensors(found, "", set()))
    words = "word_embeddings.weight"
    encoders = {k: v for k, v in several.items() if any(str(name).endswith(words) for name in v)}
    chosen = encoders or several or {"": found}
    if len(chosen) > 1:
        names = ", ".join(name or "the file itself" for name in chosen)
        raise InputError(
            f"{path} holds several sets of weights ({names}); save one of them alone in PyTorch"
            " with torch.save(model.state_dict(), 'pytorch_model.bin')"
        )
    ((entry, state),) = chosen.items()
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {key!r} is a {type(value).__name__}, not a tensor")
    return state, entry


def _dicts_of_tensors(
    found: dict, name: str, seen: set[int]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The nested dictionaries that hold tensors, each once, with their places."""
    if id(found) in seen:
        return
    seen.add(id(found))
    if any(isinstance(value, Tensor) for value in found.values()):
        yield name, found
    for key, value in found.items():
        if isinstance(key, str) and isinstance(value, dict):
            yield from _dicts_of_tensors(value, f"{name}[{key!r}]", seen)
