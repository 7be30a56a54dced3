"""The pickles that `torch.save` writes, read without running what is in them.

A pickle can name any function of Python. This unpickler knows the few that make tensors, puts
empty objects instead of plain values that training scripts save too, and refuses other names.
"""

import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import mlx.core as mx
import numpy as np

from mlx_finbert.errors import InputError

# bfloat16 is unknown to numpy: its bits travel as uint16.
STORAGE_DTYPES: dict[str, np.dtype] = {
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

BUILTINS = (
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object",
    "range", "set", "slice", "str", "tuple", "xrange",
)  # fmt: skip

IGNORED = {
    ("_codecs", "encode"),
    *((module, name) for module in ("builtins", "__builtin__") for name in BUILTINS),
    *(("collections", name) for name in ("defaultdict", "Counter", "deque")),
    ("argparse", "Namespace"),
    *(("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(("pathlib", name) for name in ("Path", "PosixPath", "PurePosixPath", "WindowsPath")),
    *(("numpy", name) for name in ("dtype", "ndarray")),
    *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(("torch", name) for name in ("Size", "device", "float32", "float16", "bfloat16", "int64")),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
    ("lightning_fabric.utilities.data", "AttributeDict"),
    ("lightning.fabric.utilities.data", "AttributeDict"),
}
"""Names of plain values saved in the same file as the weights; none of them is called."""


@dataclass(frozen=True)
class StorageType:
    """What a pickle means by `torch.FloatStorage` and its like."""

    name: str

    @property
    def dtype(self) -> np.dtype:
        return STORAGE_DTYPES[self.name]


@dataclass
class Storage:
    """One flat buffer of elements; `values` stays None until they are read."""

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
        if flat is None:
            raise ValueError("a storage of which there are no elements")
        if min((*self.size, *self.stride, self.offset), default=0) < 0:
            raise ValueError(f"a tensor of shape {self.size}, stride {self.stride}")
        strides = [s * flat.itemsize for s in self.stride]
        offset = self.offset * flat.itemsize
        view = np.ndarray(self.size, flat.dtype, buffer=flat, offset=offset, strides=strides)
        array = mx.array(np.ascontiguousarray(view))
        # numpy makes a 1-vector of a contiguous scalar.
        array = array.reshape(self.size)
        return array.view(mx.bfloat16) if self.storage.type.name == "BFloat16Storage" else array


class Ignored:
    """Stands for a value that is not a weight: accepts what a pickle gives it, keeps nothing."""

    def __init__(self, *args: Any) -> None:
        """Called as a class or a function would be."""

    def __setstate__(self, state: Any) -> None:
        """Called with attributes."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Called as a dictionary would be."""

    def append(self, value: Any) -> None:
        """Called as a list or a queue would be."""

    extend = add = append


class WeightsUnpickler(pickle.Unpickler):
    """Knows storages, tensors, parameters and ordered dictionaries; refuses what runs code."""

    def __init__(self, file: IO[bytes], path: Path, find_storage: Callable[[tuple], Any]) -> None:
        self.whole = class_of_root(file)
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.find_storage = find_storage
        self.allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            **{("torch", name): StorageType(name) for name in STORAGE_DTYPES},
            # Each under its own name, for messages.
            **{key: type(key[1], (Ignored,), {}) for key in IGNORED},
        }

    def persistent_load(self, pid: Any) -> Any:
        return self.find_storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise InputError(f"{self.path} {self.refusal(f'{module}.{name}')}") from None

    def refusal(self, name: str) -> str:
        """What a file is that asks for a name, and what to do."""
        if name == self.whole:
            return (
                f"is a whole model that torch.save pickled ({name}), which is code to run: load it"
                " in PyTorch and save it with model.save_pretrained(FOLDER)"
            )
        if name.startswith("torch._utils._rebuild"):
            return (
                f"has tensors of a kind that is not read here ({name}; quantized, sparse or 8-bit):"
                " save them in PyTorch as plain float32"
            )
        return (
            f"asks for {name}, which a weights file does not need, and was not run: if you trust"
            " it, save its weights alone in PyTorch, torch.save(model.state_dict(),"
            " 'pytorch_model.bin')"
        )


def class_of_root(file: IO[bytes]) -> str | None:
    """The class of which a pickle, read next from a file, is one instance; None for a container."""
    start = file.tell()
    try:
        steps = list(islice(steps_of(file), 3))
    except (ValueError, IndexError):
        # Damaged: reading it says so.
        return None
    finally:
        file.seek(start)
    match steps:
        case [("GLOBAL", name), ("EMPTY_TUPLE", _), ("NEWOBJ", _)]:
            return name
        case [("MARK", _), ("GLOBAL", name), _]:
            # Before its archives, torch.save wrote a model's class with its source.
            return name
    return None


def steps_of(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Names of a pickle's operations, with the name that a GLOBAL looks up; bookkeeping aside."""
    strings: list[str] = []
    for op, argument, _ in pickletools.genops(file):
        if isinstance(argument, str) and "UNICODE" in op.name:
            strings.append(argument)
        elif op.name in ("GLOBAL", "STACK_GLOBAL"):
            yield "GLOBAL", argument.replace(" ", ".") if argument else ".".join(strings[-2:])
        elif op.name not in ("PROTO", "FRAME", "MEMOIZE") and not op.name.endswith("PUT"):
            yield op.name, ""


def _rebuild_tensor(storage: Storage, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    return Tensor(storage, offset, tuple(size), tuple(stride))


def _rebuild_parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor
