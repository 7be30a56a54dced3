"""Reads the weight files of a saved package in numpy.

This shares no code with the writer of the files. Their format is that of coremltools'
`mlmodel/src/MILBlob/Blob/StorageFormat.hpp`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError

WEIGHTS = "com.apple.CoreML/weights"
WEIGHTS_PREFIX = "@model_path/weights/"
STORAGE_VERSION = 2
BLOB_SENTINEL = 0xDEADBEEF
BLOB_HEADER = np.dtype([("sentinel", "<u4"), ("dtype", "<u4"), ("bytes", "<u8"), ("offset", "<u8")])
BLOB_DTYPES = {
    "FLOAT16": 1, "FLOAT32": 2, "UINT8": 3, "INT8": 4, "INT16": 6, "UINT16": 7, "UINT1": 9,
    "UINT2": 10, "UINT4": 11, "UINT3": 12, "UINT6": 13, "INT32": 14, "UINT32": 15,
}  # fmt: skip
"""Type numbers in the header of a weight (`BlobDataType.hpp`)."""
DTYPES = {
    "BOOL": np.bool_, "FLOAT16": np.float16, "FLOAT32": np.float32, "INT8": np.int8,
    "INT16": np.int16, "INT32": np.int32, "UINT8": np.uint8, "UINT16": np.uint16,
    "UINT32": np.uint32, "STRING": np.object_,
}  # fmt: skip
PACKED_BITS = {"UINT1": 1, "UINT2": 2, "UINT3": 3, "UINT4": 4, "UINT6": 6}
"""Types with several values per byte, read as uint8."""


class WeightFiles:
    """The weight files of a package.

    Args:
        package: the folder of the package.
        items: the files of the package by their path in its manifest.
    """

    def __init__(self, package: Path, items: Mapping[str, Path]) -> None:
        self._package, self._items = package, items
        self._mapped: dict[str, np.memmap] = {}

    def read(self, blob: Any, kind: str, shape: Sequence[int]) -> np.ndarray:
        """Read a constant of this type and shape.

        Args:
            blob: the `BlobFileValue` that says where the constant is.
            kind: a name of MIL's `DataType`.
            shape: the constant's shape.

        Raises:
            InputError: if the file is damaged.
        """
        data = self._file(blob.fileName)
        header = data[blob.offset : blob.offset + BLOB_HEADER.itemsize].view(BLOB_HEADER)[0]
        if header["sentinel"] != BLOB_SENTINEL or header["dtype"] != BLOB_DTYPES[kind]:
            raise InputError(
                f"{data.filename} is damaged: no weight of the type {kind} starts at byte"
                f" {blob.offset}; export the package again"
            )
        start = int(header["offset"])
        return from_bytes(data[start : start + int(header["bytes"])], kind, shape)

    def _file(self, stored_name: str) -> np.memmap:
        """The bytes of a weight file, mapped only once because each map keeps a file open."""
        if stored_name not in self._mapped:
            name = stored_name.removeprefix(WEIGHTS_PREFIX)
            if f"{WEIGHTS_PREFIX}{name}" != stored_name or "/" in name:
                raise InputError(
                    f"{self._package} is damaged: it names the weights {stored_name}; export it"
                    " again"
                )
            file = regular(self._items[WEIGHTS] / name)
            data = np.memmap(file, np.uint8, "r")
            if data[4:8].view("<u4")[0] != STORAGE_VERSION:
                raise InputError(
                    f"{file} is damaged: it is not a storage of version {STORAGE_VERSION}; export"
                    " the package again"
                )
            self._mapped[stored_name] = data
        return self._mapped[stored_name]


def regular(file: Path) -> Path:
    """Return the file; refuse one that is not regular, since reading a FIFO would never end."""
    if not file.is_file():
        raise InputError(f"{file} is missing or is not a regular file: export the package again")
    return file


def from_bytes(data: np.ndarray, kind: str, shape: Sequence[int]) -> np.ndarray:
    """Read an array of this type and shape from bytes, uint8 (n,)."""
    if kind not in PACKED_BITS:
        return data.view(DTYPES[kind]).reshape(shape)
    return unpacked(data, PACKED_BITS[kind], int(np.prod(shape))).reshape(shape)


def unpacked(data: np.ndarray, width: int, count: int) -> np.ndarray:
    """Unpack the first `count` numbers of `width` bits to uint8; a byte's lowest bit is first."""
    bits = np.unpackbits(data, bitorder="little")[: count * width].reshape(count, width)
    return np.packbits(bits, axis=1, bitorder="little")[:, 0]
