"""Files of `torch.save`, written opcode by opcode: any that a program could write, and others."""

import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

RAN = "ran"
"""The file that code in a pickle would leave in the present folder."""
PAYLOAD = f"touch {RAN}".encode()

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass(frozen=True)
class Tensor:
    """The arguments of `_rebuild_tensor_v2`, of any type."""

    key: Any
    size: tuple[Any, ...]
    stride: tuple[Any, ...]
    offset: Any = 0
    numel: Any = 16
    storage_type: str = "FloatStorage"

    @classmethod
    def of(cls, key: str, array: np.ndarray) -> "Tensor":
        """The tensor of an array that is stored under a key."""
        strides = tuple(stride // array.itemsize for stride in array.strides)
        return cls(key, array.shape, strides, numel=array.size)

    def opcodes(self, is_zip: bool = True) -> bytes:
        """The opcodes that make it; the older layout also says of what a storage is a view."""
        parts = (self.key, "cpu", self.numel, *(() if is_zip else (None,)))
        storage = b"".join(
            [b"(", value("storage"), b"ctorch\n", self.storage_type.encode(), b"\n"]
            + [value(part) for part in parts]
        )
        places = b"".join(value(part) for part in (self.offset, self.size, self.stride, False))
        hooks = b"ccollections\nOrderedDict\n)R"
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + places + hooks + b"tR"


def value(plain: Any) -> bytes:
    """The opcodes that push a plain value, without a memo."""
    return pickletools.optimize(pickle.dumps(plain, 2))[2:-1]


def pickle_of(tensors: Mapping[str, Tensor], is_zip: bool = True) -> bytes:
    """The pickle of a dictionary of tensors."""
    entries = b"".join(value(name) + tensor.opcodes(is_zip) for name, tensor in tensors.items())
    return b"\x80\x02}(" + entries + b"u."


def zip_of(pickled: bytes, data: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """The layout since PyTorch 1.6: the pickle and the storages in a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        entries = {"data.pkl": pickled, "byteorder": b"little"}
        entries |= {f"data/{key}": values for key, values in data.items()} | {"version": b"3\n"}
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content, method)
    return file.getvalue()


def legacy_of(pickled: bytes, data: Mapping[str, bytes]) -> bytes:
    """The layout before: pickles, and then the storages in their order."""
    system = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    heads = [pickle.dumps(part, 2) for part in (MAGIC, PROTOCOL, system)]
    keys = pickle.dumps([*data], 2)
    storages = [struct.pack("<q", len(values) // 4) + values for values in data.values()]
    return b"".join([*heads, pickled, keys, *storages])
