"""Reads the pickles that `torch.save` writes, without running any code in them.

A pickle can name any Python function. This unpickler allows the few that make tensors, replaces
other plain values that training scripts save by empty objects, and refuses all other names.
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
"""Names of plain values that may be saved in the same file as the weights; none is called."""


@dataclass(frozen=True)
class StorageType:
    """The stand-in for `torch.FloatStorage` and similar classes in a pickle."""

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
    """A strided view of a storage, as made by `_rebuild_tensor_v2`."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def to_mlx(self) -> mx.array:
        """Convert to an MLX array; numpy checks the bounds against the real buffer.

        An earlier check would not be safe: a pickle may change these fields after the object is
        built.
        """
        flat = self.storage.values
        if flat is None:
            raise ValueError("a storage without elements")
        if min((*self.size, *self.stride, self.offset), default=0) < 0:
            raise ValueError(f"a tensor of shape {self.size}, stride {self.stride}")
        strides = [s * flat.itemsize for s in self.stride]
        offset = self.offset * flat.itemsize
        view = np.ndarray(self.size, flat.dtype, buffer=flat, offset=offset, strides=strides)
        array = mx.array(np.ascontiguousarray(view))
        # ascontiguousarray turns a scalar into a vector of length 1.
        array = array.reshape(self.size)
        return array.view(mx.bfloat16) if self.storage.type.name == "BFloat16Storage" else array


class Ignored:
    """A placeholder for a value that is not a weight: accepts all data and keeps none."""

    def __init__(self, *args: Any) -> None:
        """Accept the arguments of a class or a function."""

    def __setstate__(self, state: Any) -> None:
        """Accept attributes."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Accept an entry of a dictionary."""

    def append(self, value: Any) -> None:
        """Accept an element of a list or a queue."""

    extend = add = append


class WeightsUnpickler(pickle.Unpickler):
    """Allows storages, tensors, parameters and ordered dictionaries; refuses all that runs code."""

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
            # Each class keeps its own name, for error messages.
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
        """Say why a file that asks for this name is refused and what to do, as a predicate."""
        if name == self.whole:
            return (
                f"is a whole model pickled by torch.save ({name}), and loading it would run code;"
                " load it in PyTorch and save it with model.save_pretrained(FOLDER)"
            )
        if name.startswith("torch._utils._rebuild"):
            return (
                f"has tensors of an unsupported kind ({name}; quantized, sparse or 8-bit);"
                " save them in PyTorch as plain float32"
            )
        return (
            f"asks for {name}, which a weights file does not need, and was not run; if you trust"
            " it, save only its weights in PyTorch with torch.save(model.state_dict(),"
            " 'pytorch_model.bin')"
        )


def class_of_root(file: IO[bytes]) -> str | None:
    """The class of the object that the next pickle in a file holds; None for a container."""
    start = file.tell()
    try:
        steps = list(islice(steps_of(file), 3))
    except (ValueError, IndexError):
        # The file is damaged; unpickling it will report that.
        return None
    finally:
        file.seek(start)
    match steps:
        case [("GLOBAL", name), ("EMPTY_TUPLE", _), ("NEWOBJ", _)]:
            return name
        case [("MARK", _), ("GLOBAL", name), _]:
            # The legacy layout stores a model's class together with its source.
            return name
    return None


def steps_of(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """A pickle's operations without bookkeeping, each with the global name that it looks up."""
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
