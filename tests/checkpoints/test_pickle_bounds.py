"""Hostile and damaged `pytorch_model.bin`: little memory, little time, one sentence."""

import os
import pickle
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mlx_finbert.checkpoints.torch_bin import read_torch_file
from mlx_finbert.errors import InputError

MUTATIONS = 200
LEGACY = b"".join(
    pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)


def operations(value):
    """The operations that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(size, stride, numel=4, key="0", legacy=False):
    """The operations that push a tensor of float32; `legacy` is for a file that is no zip."""
    storage = b"(" + operations("storage") + b"ctorch\nFloatStorage\n"
    storage += operations(key) + operations("cpu") + operations(numel) + b"N" * legacy + b"tQ"
    geometry = operations(0) + operations(size) + operations(stride) + operations(False)
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + geometry + hooks + b"tR"


def state_dict(tensors):
    entries = b"".join(operations(name) + pushed for name, pushed in tensors.items())
    return b"\x80\x02}(" + entries + b"u."


def write(path, data, storage=b"", compression=zipfile.ZIP_STORED, times=1):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        with archive.open("archive/data/0", "w") as entry:
            for _ in range(times):
                entry.write(storage)
    return path


def hashed_tuples(levels=64):
    """A dictionary whose key is a tuple of the same tuple twice, level upon level."""
    pushed = b"K\x01"
    for level in range(levels):
        pushed += b"q" + bytes([level]) + b"h" + bytes([level]) + b"\x86"
    return b"\x80\x02}" + pushed + b"K\x01s."


ONE_STORAGE = state_dict({f"w{i}": tensor((2**18,), (1,), 2**18) for i in range(1000)})
BOMBS = {
    "stride 0": lambda path: write(path, state_dict({"w": tensor((10**9,), (0,))}), bytes(16)),
    "one storage for all": lambda path: write(path, ONE_STORAGE, bytes(2**20)),
    "memo": lambda path: write(path, b"\x80\x02}r\xff\xff\xff\x2f."),
    "hashed tuples": lambda path: write(path, hashed_tuples()),
    "deflated storage": lambda path: write(
        path, state_dict({"w": tensor((100 * 2**18,), (1,), 100 * 2**18)}), bytes(2**20),
        zipfile.ZIP_DEFLATED, times=400,
    ),
    "deflated pickle": lambda path: write(path, bytes(2**28), compression=zipfile.ZIP_DEFLATED),
    "length": lambda path: path.write_bytes(LEGACY + b"\x80\x04\x8e" + bytes(4) + b"\1\0\0\0."),
    "frame": lambda path: write(path, b"\x80\x04\x95" + bytes(4) + b"\1\0\0\0}."),
}  # fmt: skip

READ = """
import resource, sys
from pathlib import Path
from mlx_finbert.checkpoints.torch_bin import read_torch_file
from mlx_finbert.errors import InputError

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_torch_file(Path(sys.argv[1]))
except InputError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, name):
    path = tmp_path / "pytorch_model.bin"
    BOMBS[name](path)
    done = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout, done.stderr
    grown, said = done.stdout.split(" ", 1)
    kilobytes = int(grown) if sys.platform == "linux" else int(grown) // 1024
    assert kilobytes < 50_000
    assert said.startswith(str(path))
    assert len(said) < 1000


def test_a_zipped_file_of_true_weights_is_read(tmp_path):
    values = np.random.default_rng(0).standard_normal(2**16).astype("<f4")
    data = state_dict({"w": tensor((2**16,), (1,), 2**16), "tied": tensor((2**16,), (1,), 2**16)})
    path = write(tmp_path / "w.bin", data, values.tobytes(), zipfile.ZIP_DEFLATED)
    found, _ = read_torch_file(path)
    assert np.array_equal(found["w"], values) and np.array_equal(found["tied"], values)


def test_another_compression_is_named(tmp_path):
    path = write(tmp_path / "w.bin", state_dict({}), compression=zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match=r"w\.bin is compressed in a way"):
        read_torch_file(path)


def mutated(data, rng):
    """Bytes with some changed, cut out, doubled, or replaced by those of another operation."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randint(1, 8)]
        elif kind == 2:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        else:
            data[at:at] = rng.choice([b"0", b"2", b"N", b"(", b"t", b"s", b"R", b"b", b"Q", b"}"])
    return bytes(data)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_damaged_pickle_is_read_or_one_sentence(tmp_path, legacy):
    names = [f"layer.{i}.weight" for i in range(3)]
    data = state_dict({name: tensor((2, 2), (2, 1), legacy=legacy) for name in names})
    storage = pickle.dumps(["0"], 2) + (4).to_bytes(8, "little") + bytes(16)
    rng, path, refused = random.Random(24), tmp_path / "w.bin", 0
    for case in range(MUTATIONS // 2):
        changed = mutated(data, rng) if case else data
        if legacy:
            path.write_bytes(LEGACY + changed + storage)
        else:
            write(path, changed, bytes(16))
        try:
            for name in read_torch_file(path)[0]:
                name.encode("utf-8")
        except InputError as error:
            assert case
            refused += 1
            assert os.fspath(path) in str(error)
            assert "\n" not in str(error) and len(str(error)) < 1000
    assert MUTATIONS / 4 < refused < MUTATIONS / 2
