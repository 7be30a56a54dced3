"""Read `pytorch_model.bin` without PyTorch, and without running what is in it.

Such a file is a pickle of tensors that refer to raw storages. Two layouts are in use:

- zip (PyTorch >= 1.6): `*/data.pkl` is the pickle, `*/data/<key>` are the storages;
- legacy: a magic number, a protocol number, system information, the pickle, the list of storage
  keys, then each storage as an int64 count of elements and its bytes.

Layouts and constants: `torch/serialization.py`. A pickle can name any function of Python; the
unpickler below knows the few that a file of weights needs and refuses every other by name.
"""

import pickle
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import mlx.core as mx
import numpy as np

from mlx_finbert.errors import InputError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

# bfloat16 is unknown to numpy: its bits travel as uint16.
STORAGE_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class StorageType:
    """What a pickle means by `torch.FloatStorage` and its like."""

    name: str

    @property
    def dtype(self) -> np.dtype:
        return STORAGE_DTYPES[self.name]


@dataclass
class Storage:
    """One flat buffer of elements; `values` stays None until a legacy file has been read on."""

    type: StorageType
    numel: int
    values: np.ndarray | None = None


@dataclass
class Tensor:
    """A strided view of a storage: what `_rebuild_tensor_v2` makes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def to_mlx(self) -> mx.array:
        """The elements, bounds checked here, by numpy, against the real buffer.

        No earlier check would hold: a pickle may change these fields after the object is built.
        """
        flat = self.storage.values
        if min((*self.size, *self.stride, self.offset), default=0) < 0:
            raise ValueError(f"a tensor of shape {self.size}, stride {self.stride}")
        strides = [s * flat.itemsize for s in self.stride]
        offset = self.offset * flat.itemsize
        view = np.ndarray(self.size, flat.dtype, buffer=flat, offset=offset, strides=strides)
        array = mx.array(np.ascontiguousarray(view))
        # numpy makes a 1-vector of a contiguous scalar.
        array = array.reshape(self.size)
        return array.view(mx.bfloat16) if self.storage.type.name == "BFloat16Storage" else array


def read_torch_file(path: Path) -> dict[str, mx.array]:
    """The tensors of a file written by `torch.save(state_dict)`.

    Args:
        path: zip or legacy layout.

    Returns:
        Key names and arrays in the file's dtypes (float64 becomes float32, which MLX has instead).

    Raises:
        InputError: for a damaged or truncated file, another format, a name that a file of weights
            has no use for, or an object that is not a dictionary of tensors.
    """
    try:
        read = _read_zip if zipfile.is_zipfile(path) else _read_legacy
        with open(path, "rb") as file:
            found = read(file, path)
        return {key: tensor.to_mlx() for key, tensor in _state_dict(found, path).items()}
    except InputError:
        raise
    except (
        pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, EOFError, AttributeError,
        LookupError, TypeError, ValueError, OverflowError, MemoryError, RuntimeError,
    ) as error:  # fmt: skip
        reason = f"{path} is damaged or not a PyTorch file ({error}): fetch it again"
        raise InputError(reason) from error


class WeightsUnpickler(pickle.Unpickler):
    """Knows storages, tensors, parameters and ordered dictionaries; refuses every other name."""

    def __init__(self, file: IO[bytes], path: Path, find_storage: Any) -> None:
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.persistent_load = find_storage
        self.allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            **{("torch", name): StorageType(name) for name in STORAGE_DTYPES},
        }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise InputError(
                f"{self.path} asks for {module}.{name}, which a file of weights has no use for:"
                " it was not run; do not trust the file"
            ) from None


def _rebuild_tensor(storage: Storage, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    return Tensor(storage, offset, tuple(size), tuple(stride))


def _rebuild_parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


def _read_zip(file: IO[bytes], path: Path) -> Any:
    with zipfile.ZipFile(file) as archive:
        pickles = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise InputError(f"{path} is a zip file without PyTorch's data.pkl: not a checkpoint")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{root}byteorder") == b"little", path)
        storages: dict[str, Storage] = {}

        def find_storage(saved_id: tuple) -> Storage:
            tag, storage_type, key, _, numel = saved_id
            _require_storage(tag, storage_type, path)
            if key not in storages:
                data = archive.read(f"{root}data/{key}")
                values = np.frombuffer(data, storage_type.dtype, count=numel)
                storages[key] = Storage(storage_type, numel, values)
            return storages[key]

        with archive.open(pickles[0]) as stream:
            return WeightsUnpickler(stream, path, find_storage).load()


def _read_legacy(file: IO[bytes], path: Path) -> Any:
    storages: dict[str, Storage] = {}

    def find_storage(saved_id: tuple) -> Storage:
        tag, storage_type, key, _, numel, view = saved_id
        _require_storage(tag, storage_type, path)
        if view is not None:
            raise InputError(
                f"{path} was written by PyTorch < 0.4 (it has views of storages):"
                " save it again with a newer PyTorch"
            )
        return storages.setdefault(key, Storage(storage_type, numel))

    def load() -> Any:
        return WeightsUnpickler(file, path, find_storage).load()

    if load() != LEGACY_MAGIC or load() != LEGACY_PROTOCOL:
        raise InputError(f"{path} is not a file that torch.save wrote: fetch it again")
    _require_little_endian(load()["little_endian"], path)
    found = load()
    for key in load():
        storage = storages[key]
        (numel,) = np.frombuffer(file.read(8), "<i8")
        if numel != storage.numel:
            raise InputError(f"{path}: storage {key} has {numel} elements, not {storage.numel}")
        data = file.read(int(numel) * storage.type.dtype.itemsize)
        storage.values = np.frombuffer(data, storage.type.dtype, count=int(numel))
    return found


def _require_storage(tag: Any, storage_type: Any, path: Path) -> None:
    if tag != "storage" or not isinstance(storage_type, StorageType):
        raise InputError(f"{path} refers to {tag!r} of {storage_type!r} where a storage should be")


def _require_little_endian(little: bool, path: Path) -> None:
    if not little:
        raise InputError(
            f"{path} was written on a big-endian machine: save it as safetensors there"
        )


def _state_dict(found: Any, path: Path) -> dict[str, Tensor]:
    # Some training scripts wrap the weights once.
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, not a dictionary of tensors")
    for key, value in found.items():
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {key!r} is a {type(value).__name__}, not a tensor")
        if value.storage.values is None:
            raise InputError(f"{path}: the elements of {key!r} are missing: fetch the file again")
    return found
