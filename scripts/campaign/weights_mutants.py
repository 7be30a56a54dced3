"""Mutants of weights: headers of safetensors files, and zips and pickles of `torch.save`."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

import numpy as np
from json_mutants import JSON, RAW_VALUES, json_values
from mutants import ANY, Mutant, Mutations
from pickled import PAYLOAD, Tensor, legacy_of, pickle_of, zip_of
from table_mutants import ZIP_HOSTILE, entries_of, zip_field

WORDS = "bert.embeddings.word_embeddings.weight"


def header_of(content: bytes) -> tuple[Any, bytes]:
    """The header and the data of a safetensors file."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def safetensors_of(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def header_values(content: bytes, random: Random) -> Mutant:
    """Put odd values into the header."""
    header, data = header_of(content)
    mutant = json_values(json.dumps(header).encode(), random)
    return Mutant(safetensors_of(mutant.content, data), f"header: {mutant.mutation}")


def entry(content: bytes, random: Random) -> Mutant:
    """Give a tensor another dtype, shape or place."""
    header, data = header_of(content)
    name = random.choice([*header.keys() - {"__metadata__"}])
    key, value = random.choice([*ENTRIES.items()])
    header[name].update(value(header[name], len(data)))
    mutant = safetensors_of(json.dumps(header).encode(), data)
    return Mutant(mutant, f"{name}: {key}")


ENTRIES: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
    "F64": lambda *_: {"dtype": "F64"},
    "BF16": lambda *_: {"dtype": "BF16"},
    "a dtype of 8 bits": lambda *_: {"dtype": "F8_E4M3"},
    "a dtype of 4 bits": lambda *_: {"dtype": "F4"},
    "a dtype that is none": lambda *_: {"dtype": "X99"},
    "a shape of 2^40": lambda *_: {"shape": [2**40]},
    "a shape that overflows": lambda *_: {"shape": [2**32, 2**32]},
    "a shape of zeros": lambda *_: {"shape": [0, 2**62]},
    "no sizes": lambda *_: {"shape": []},
    "many sizes": lambda old, _: {"shape": [1] * 1_000 + old["shape"]},
    "transposed": lambda old, _: {"shape": old["shape"][::-1]},
    "beyond the file": lambda _, size: {"data_offsets": [size, size + 10**12]},
    "the whole file": lambda _, size: {"data_offsets": [0, size]},
    "backwards": lambda old, _: {"data_offsets": old["data_offsets"][::-1]},
    "at 2^64": lambda *_: {"data_offsets": [2**64 - 8, 2**64 - 1]},
    "the place of another": lambda old, _: {
        "data_offsets": [0, old["data_offsets"][1] - old["data_offsets"][0]]
    },
}


def numbers(content: bytes, random: Random) -> Mutant:
    """Set some of the numbers to an extreme."""
    header, data = header_of(content)
    name, value = random.choice([*EXTREMES.items()])
    whole = len(data) // 4 * 4
    values = np.frombuffer(data[:whole], "<f4").copy()
    if random.random() < 0.3:
        values[:] = value
    else:
        values[random.randrange(len(values))] = value
    changed = values.tobytes() + data[whole:]
    return Mutant(safetensors_of(json.dumps(header).encode(), changed), f"{name} inside")


EXTREMES = {
    "NaN": np.nan, "infinity": np.inf, "-infinity": -np.inf, "the largest": 3.4e38,
    "the smallest": 1e-45, "0": 0.0, "-0": -0.0, "1e20": 1e20,
}  # fmt: skip

SAFETENSORS = Mutations(
    ANY
    | {
        "a header of 2^63": lambda content: struct.pack("<Q", 2**63) + content[8:],
        "a header longer than the file": lambda content: struct.pack("<Q", 2**30) + content[8:],
        "a header of 99 MB that is not there": lambda _: struct.pack("<Q", 99_000_000) + b"{",
        "no header": lambda content: struct.pack("<Q", 0) + content[8:],
        "no tensors": lambda _: safetensors_of(b"{}", b""),
        "metadata alone": lambda _: safetensors_of(b'{"__metadata__": {"format": "pt"}}', b""),
        "a tensor twice": lambda content: _twice(content),
        "data without a tensor": lambda content: content + bytes(64),
    }
    | {
        f"header: {name}": lambda _, text=text: safetensors_of(text.encode(), b"")
        for name, text in RAW_VALUES.items()
    },
    [header_values, entry, numbers],
)


def _twice(content: bytes) -> bytes:
    header, data = header_of(content)
    name = min(header.keys() - {"__metadata__"})
    text = json.dumps(header)[:-1] + f", {json.dumps({name: header[name]})[1:]}"
    return safetensors_of(text.encode(), data)


def tensors_of(content: bytes) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file in float32."""
    header, data = header_of(content)
    values = {}
    for name, told in header.items():
        if name != "__metadata__":
            start, end = told["data_offsets"]
            values[name] = np.frombuffer(data[start:end], "<f4").reshape(told["shape"])
    return values


def torch_file(content: bytes, is_zip: bool = True) -> bytes:
    """What `torch.save` makes of the tensors of a safetensors file."""
    values = tensors_of(content)
    tensors = {name: Tensor.of(str(i), array) for i, (name, array) in enumerate(values.items())}
    data = {str(i): array.tobytes() for i, array in enumerate(values.values())}
    return (zip_of if is_zip else legacy_of)(pickle_of(tensors, is_zip), data)


ONE = Tensor("0", (4, 4), (4, 1))
DATA = {"0": np.arange(16, dtype="<f4").tobytes()}

STRANGE: dict[str, Tensor] = {
    "a stride of 0 and 2^30 values": Tensor("0", (2**30,), (0,)),
    "strides of 0 and 2^62 values": Tensor("0", (2**31, 2**31), (0, 0)),
    "2^70 values": Tensor("0", (2**70,), (1,)),
    "a negative stride": Tensor("0", (4,), (-1,), offset=15),
    "a negative size": Tensor("0", (-4,), (1,)),
    "a negative offset": Tensor("0", (4,), (1,), offset=-8),
    "an offset of 2^61": Tensor("0", (4,), (1,), offset=2**61),
    "a stride of 2^61": Tensor("0", (4,), (2**61,)),
    "more sizes than strides": Tensor("0", (4, 4), (1,)),
    "100 sizes": Tensor("0", (1,) * 100, (1,) * 100),
    "10^6 sizes": Tensor("0", (1,) * 10**6, (1,) * 10**6),
    "a size of text": Tensor("0", ("4",), (1,)),
    "a size of 1.5": Tensor("0", (1.5,), (1,)),
    "a storage of 2^60": Tensor("0", (4,), (1,), numel=2**60),
    "a storage of -1": Tensor("0", (4,), (1,), numel=-1),
    "a storage that is missing": Tensor("nothing", (4,), (1,)),
    "a storage out of the archive": Tensor("../../etc/passwd", (4,), (1,)),
    "a storage that is a number": Tensor(5, (4,), (1,)),
    "a storage of another type": Tensor("0", (4,), (1,), storage_type="DoubleStorage"),
    "a storage type that is none": Tensor("0", (4,), (1,), storage_type="OtherStorage"),
}
"""Tensors that no program saves, by what they have."""

OPCODES: dict[str, bytes] = {
    "runs a command": b"cos\nsystem\n(X" + struct.pack("<I", len(PAYLOAD)) + PAYLOAD + b"tR.",
    "evaluates": b"cbuiltins\neval\n(X\x10\0\0\0open('ran', 'w')\ntR.",
    "an old instance that runs": b"(X\x07\0\0\0echo hi\x69os\nsystem\n.",
    "an extension": b"\x82\x01.",
    "a name with dots": b"\x80\x04\x8c\x05torch\x8c\x0fload.__globals__\x93.",
    "a memo at 2^31": b"]r" + struct.pack("<I", 2**31 - 1) + b".",
    "a memo at 2^28": b"]r" + struct.pack("<I", 2**28) + b".",
    "a memo by text": b"]p999999999\n.",
    "a memo at -1": b"]p-1\n.",
    "a memo that is empty": b"h\x07.",
    "tuples in tuples": b")" + b"\x85" * 500_000 + b".",
    "lists in lists": b"]" * 500_000 + b"a" * 499_999 + b".",
    "a tuple that doubles 40 times": b")" + b"2\x86" * 40 + b".",
    "a key that doubles 40 times": b"}(" + b")" + b"2\x86" * 40 + b"K\x01u.",
    "itself": b"]q\x00h\x00a.",
    "a dictionary of itself": b"}q\x00(X\x01\0\0\0ah\x00u.",
    "a text of 4 GB": b"X\xff\xff\xff\xff.",
    "a text of 2^63": b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b".",
    "bytes of 2^40": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
    "a bytearray of 2^40": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "a bytearray by name": b"cbuiltins\nbytearray\n(\x8a\x05\0\0\0\0\x10tR.",
    "a range by name": b"cbuiltins\nrange\n(\x8a\x05\0\0\0\0\x10tR.",
    "a frame of 2^63": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b").",
    "a number of 10^6 digits": b"I" + b"9" * 10**6 + b"\n.",
    "a long of 2^31 bytes": b"\x8b\xff\xff\xff\x7f.",
    "a negative long": b"\x8b\xff\xff\xff\xff.",
    "no end": b")" * 1000,
    "nothing but an end": b".",
    "a protocol of 99": b"\x80\x63.",
    "marks": b"(" * 500_000 + b".",
    "a persistent name": b"Pstorage\n.",
    "a persistent number": b"K\x05Q.",
    "a state for a number": b"K\x05}b.",
    "a buffer from outside": b"\x80\x05\x97.",
    "text that is not UTF-8": b"X\x02\0\0\0\xff\xfe.",
    "half a surrogate pair as a name": b"}(X\x03\0\0\0\xed\xa0\x80K\x01u.",
    "a list for weights": b"].",
    "a dictionary of numbers": b"}(X\x01\0\0\0aK\x01u.",
    "an unhashable key": b"}(]K\x01u.",
    "a Counter that is called": b"ccollections\nCounter\n(X\x03\0\0\0aaatR.",
    "an OrderedDict of a number": b"ccollections\nOrderedDict\n(K\x05tR.",
    "a tensor without arguments": b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "a tensor of numbers": b"}(X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n(K\1K\2K\3K\4tRu.",
}
"""Pickles, by what they do."""


def _alone(pickled: bytes, is_zip: bool) -> bytes:
    return (zip_of if is_zip else legacy_of)(pickled, DATA)


def hostile_pickles(is_zip: bool) -> Mapping[str, Callable[[bytes], bytes]]:
    """Files of one of the two layouts with each strange tensor and each pickle."""
    tensors = {
        name: lambda _, tensor=tensor: _alone(pickle_of({WORDS: tensor}, is_zip), is_zip)
        for name, tensor in STRANGE.items()
    }
    pickles = {
        name: lambda _, pickled=pickled: _alone(pickled, is_zip)
        for name, pickled in OPCODES.items()
    }
    return tensors | pickles


def pickle_bytes(content: bytes, random: Random) -> Mutant:
    """Damage the pickle inside a zip, and give it the right checksum."""
    entries = entries_of(content)
    changed = [
        (name, _damaged_opcodes(data, random) if name.endswith("data.pkl") else data)
        for name, data in entries
    ]
    return Mutant(stored(changed), "damaged opcodes")


def _damaged_opcodes(pickled: bytes, random: Random) -> bytes:
    changed = bytearray(pickled)
    for _ in range(random.choice([1, 2, 8])):
        changed[random.randrange(len(changed))] = random.choice(
            [*b"().]}0123abcdeghijloqrstuRQNKJIMXUV\x80\x85\x86\x87\x89\x8a\x8c\x93\x94\x95", 255]
        )
    return bytes(changed)


def stored(entries: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip as `torch.save` writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def strange_tensor(content: bytes, random: Random) -> Mutant:
    """Add one strange tensor to the right ones, or replace one with it."""
    values = tensors_of_zip(content)
    name, tensor = random.choice([*STRANGE.items()])
    key = random.choice([*values, "extra"])
    tensors = {k: Tensor.of(str(i), array) for i, (k, array) in enumerate(values.items())}
    data = {str(i): array.tobytes() for i, array in enumerate(values.values())}
    return Mutant(zip_of(pickle_of(tensors | {key: tensor}), data), f"{key} has {name}")


def tensors_of_zip(content: bytes) -> dict[str, np.ndarray]:
    """Arrays of the sizes of a zip's storages; their names are of no importance here."""
    entries = dict(entries_of(content))
    return {
        f"tensor {name.rpartition('/')[2]}": np.frombuffer(data, "<f4")
        for name, data in entries.items()
        if "/data/" in name
    }


def _deflated_storage(_: bytes) -> bytes:
    """A storage of a gigabyte of zeros in a megabyte."""
    numel = 2**28
    tensor = Tensor("0", (numel,), (1,), numel=numel)
    zeros = {"0": bytes(4 * numel)}
    return zip_of(pickle_of({WORDS: tensor}), zeros, zipfile.ZIP_DEFLATED)


TORCH_ZIP = Mutations(
    {
        **hostile_pickles(is_zip=True),
        "a deflated gigabyte": _deflated_storage,
        "two pickles": lambda content: stored(
            [*entries_of(content), ("other/data.pkl", pickle_of({WORDS: ONE}))]
        ),
        "a program": lambda content: stored([*entries_of(content), ("archive/code/a.py", b"")]),
        "big-endian": lambda content: stored(
            [(n, b"big" if n.endswith("byteorder") else data) for n, data in entries_of(content)]
        ),
        **ANY,
        **ZIP_HOSTILE,
    },
    [pickle_bytes, strange_tensor, zip_field],
)

TORCH_LEGACY = Mutations({**hostile_pickles(is_zip=False), **ANY})

INDEX = Mutations(
    JSON.hostile
    | {
        "a shard out of the folder": lambda _: b'{"weight_map": {"a": "../model.safetensors"}}',
        "itself as a shard": lambda _: b'{"weight_map": {"a": "model.safetensors.index.json"}}',
        "a folder as a shard": lambda _: b'{"weight_map": {"a": "."}}',
        "a shard that is missing": lambda _: b'{"weight_map": {"a": "b.safetensors"}}',
        "a shard with a zero byte": lambda _: b'{"weight_map": {"a": "b\\u0000"}}',
        "a shard with a long name": lambda _: json.dumps({"weight_map": {"a": "b" * 999}}).encode(),
    },
    [json_values],
)
