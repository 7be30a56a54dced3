"""Reads `pytorch_model.bin` without PyTorch and without running any code in it.

Such a file is a pickle of tensors that refer to raw storages. It has one of two layouts:

- zip (PyTorch >= 1.6): `*/data.pkl` is the pickle, `*/data/<key>` are the storages;
- legacy: a magic number, a protocol number, system information, the pickle, the list of storage
  keys, then each storage as an int64 count of elements and its bytes.

Layouts and constants: `torch/serialization.py`.
"""

import lzma
import math
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.pickle_bounds import check_pickle
from mlx_finbert.checkpoints.torch_unpickler import Storage, StorageType, Tensor, WeightsUnpickler
from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.archives import is_about_content, require_names_once
from mlx_finbert.files.formats import TORCH, require_format

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

MOST_TIMES = 4
"""What is read from a file may be this many times as large as the file, since tensors share
storages; torch.save does not compress."""
MARGIN = 2**24
"""Bytes that even a small file may expand to."""


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
        require_room(map(num_bytes, state.values()), path, "its tensors")
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
        said = first_line(error)[:200]
        reason = f"{path} is damaged or not a PyTorch file ({said}); download it again"
        raise InputError(reason) from error


def num_bytes(tensor: Tensor) -> int:
    """The size of a tensor's array; its fields are what a pickle says."""
    if not all(type(length) is int and length >= 0 for length in tensor.size):
        raise ValueError("a tensor whose shape is not made of whole numbers from 0")
    return math.prod(tensor.size) * tensor.storage.type.dtype.itemsize


def require_room(sizes: Iterable[int], path: Path, what: str) -> None:
    """Refuse a file whose contents take much more memory than the file.

    Args:
        sizes: bytes of each part.
        path: the file.
        what: the parts, for the message.
    """
    total, on_disk = sum(sizes), path.stat().st_size
    if total > MOST_TIMES * on_disk + MARGIN:
        raise InputError(
            f"{path} has {on_disk:,} bytes, but {what} would take {total:,} bytes of memory: the"
            " file is damaged, or made to fill the memory; download it again, or save the weights"
            " in PyTorch with torch.save(model.state_dict(), 'pytorch_model.bin')"
        )


def _unpickled(
    file: IO[bytes], size: int, path: Path, find_storage: Callable[[tuple], Storage]
) -> Any:
    """The object of the next pickle in a file of this size."""
    check_pickle(file, size)
    return WeightsUnpickler(file, path, find_storage).load()


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
        _require_readable(archive, path)
        if f"{root}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{root}byteorder") == b"little", path)
        storages: dict[str, Storage] = {}

        def find_storage(saved_id: tuple) -> Storage:
            tag, storage_type, key, _, numel = saved_id
            _require_storage(tag, storage_type, key, path)
            return storages.setdefault(key, Storage(storage_type, numel))

        data = archive.read(pickles[0])
        found = _unpickled(BytesIO(data), len(data), path, find_storage)
        state, entry = _state_dict(found, path)
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
        _require_storage(tag, storage_type, key, path)
        if view is not None:
            raise InputError(
                f"{path} was written by PyTorch < 0.4 (it has views of storages);"
                " save it again with a newer PyTorch"
            )
        return storages.setdefault(key, Storage(storage_type, numel))

    size = os.fstat(file.fileno()).st_size

    def load() -> Any:
        return _unpickled(file, size, path, find_storage)

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
        length = int(numel) * storage.type.dtype.itemsize
        if length > size - file.tell():
            raise EOFError(f"it ends within storage {key}")
        data = file.read(length)
        storage.values = np.frombuffer(data, storage.type.dtype, count=int(numel))
    return state, entry


def _require_readable(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse entries that expand to more than the file can hold, or in no known way."""
    entries = archive.infolist()
    if any(e.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for e in entries):
        raise InputError(
            f"{path} is compressed in a way that PyTorch does not use; unpack it, and zip it again"
            " without compression"
        )
    require_room((entry.file_size for entry in entries), path, "its entries")


def _require_storage(tag: Any, storage_type: Any, key: Any, path: Path) -> None:
    right = tag == "storage" and isinstance(storage_type, StorageType) and isinstance(key, str)
    if not right:
        raise InputError(
            f"{path} refers to an object of an unknown kind where a storage is expected; download"
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
        if not isinstance(key, str):
            raise InputError(f"{path}: a tensor's name is a {type(key).__name__}, not text")
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {key[:200]!r} is a {type(value).__name__}, not a tensor")
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
