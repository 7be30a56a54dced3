"""Compressed files: any of them is read, or refused with one sentence that names it."""

import bz2
import gzip
import io
import lzma
import random
import struct
import warnings
import zipfile

import pytest

from mlx_finbert.checkpoints.torch_bin import read_torch_file
from mlx_finbert.data.sources.phrasebank import LEVELS, load_phrasebank
from mlx_finbert.data.tables import open_table, text_files
from mlx_finbert.errors import InputError
from mlx_finbert.files import archives

ROWS = "text,label\n" + "".join(f"Sales rose {i},up\n" for i in range(400))


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    methods = (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED)
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (name, data) in enumerate(files.items()):
            archive.writestr(name, data, methods[number % 4])
    return buffer.getvalue()


def torch_bin() -> bytes:
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save({"word_embeddings.weight": torch.ones(3, 4), "b": torch.zeros(2)}, buffer)
    return buffer.getvalue()


def phrasebank() -> bytes:
    return zipped(**{
        f"v1.0/{name}": "Umsätze @ rose@positive\nfell@negative\n".encode("latin-1") * 40
        for name in LEVELS.values()
    })  # fmt: skip


def records(path):
    return [*open_table(path).records()]


def of_phrasebank(path):
    """Level by level, since each is compressed in another way."""
    faults = []
    for level in LEVELS:
        try:
            load_phrasebank(path, level)
        except InputError as error:
            faults.append(error)
    if faults:
        raise faults[0]


CSV = {"a.csv": ROWS.encode()}
READERS = {
    "rows.csv.gz": (records, lambda: gzip.compress(ROWS.encode(), mtime=0)),
    "rows.csv.bz2": (records, lambda: bz2.compress(ROWS.encode())),
    "rows.csv.xz": (records, lambda: lzma.compress(ROWS.encode())),
    "rows.zip": (records, lambda: zipped(**CSV)),
    "more.zip": (records, lambda: zipped(**{"README": b"a"}, **CSV, **{"LICENSE": b"b" * 99})),
    "bank.zip": (of_phrasebank, phrasebank),
    "pytorch_model.bin": (read_torch_file, torch_bin),
}
"""By the file's name: its reader, and the content."""


def mutated(data: bytes, random_: random.Random) -> bytes:
    """Change bytes, half of them at the end, where a zip has its list; cut; remove a part."""
    data = bytearray(data)
    for _ in range(random_.randint(1, 3)):
        if not data:
            break
        at = random_.randrange(len(data))
        if random_.random() < 0.5:
            at = max(0, len(data) - 1 - random_.randrange(120))
        kind = random_.randrange(5)
        if kind == 0:
            data[at] = random_.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << random_.randrange(8)
        elif kind == 2:
            del data[at : at + random_.choice((1, 3, 40))]
        elif kind == 3:
            data[at : at + 4] = struct.pack("<I", random_.choice((0, 1, 2**31, 2**32 - 1)))
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_file_is_read_or_refused_in_a_sentence(tmp_path, name):
    read, content = READERS[name]
    data, path, refused = content(), tmp_path / name, 0
    path.write_bytes(data)
    read(path)
    for seed in range(200):
        path.write_bytes(mutated(data, random.Random(f"{name} {seed}")))
        try:
            read(path)
        except InputError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused > 60


@pytest.mark.parametrize("name", ["rows.zip", "bank.zip", "pytorch_model.bin"])
def test_missing_bytes_are_told_with_the_file(tmp_path, name):
    """zipfile looks for a place before the beginning of such a file: Invalid argument."""
    read, content = READERS[name]
    path = tmp_path / name
    path.write_bytes((data := content())[:30] + data[60:])
    with pytest.raises(InputError, match=f"{name} (is damaged|is not a readable)"):
        read(path)


@pytest.mark.parametrize(
    ("reader", "names"),
    [
        ("rows.zip", ["a.csv", "a.csv"]),
        ("bank.zip", [f"x/{LEVELS['allagree']}"] * 2),
        ("pytorch_model.bin", ["m/data.pkl", "m/data.pkl"]),
    ],
)
def test_two_files_of_one_name_are_refused(tmp_path, reader, names):
    path = tmp_path / reader
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for number, name in enumerate(names):
            archive.writestr(name, f"text,label\n{number},up\n")
    with pytest.raises(InputError, match=f"contains two files named '{names[0]}'"):
        READERS[reader][0](path)


def test_a_name_that_is_not_utf_8(tmp_path):
    path = tmp_path / "rows.zip"
    path.write_bytes(zipped(**{"ä.csv": ROWS.encode()}).replace("ä".encode(), b"\xff\xfe"))
    with pytest.raises(InputError, match=r"rows\.zip is not a readable zip file \('utf-8' codec"):
        records(path)


def test_encrypted_and_unknown_compression(tmp_path):
    path = tmp_path / "rows.zip"
    data = bytearray(zipped(**CSV))
    central = data.rindex(b"PK\x01\x02")
    for at, change in ((6, 1), (central + 8, 1)):
        data[at] |= change
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be unpacked here .*encrypted"):
        records(path)
    data = bytearray(zipped(**CSV))
    data[8], data[central + 10] = 9, 9
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be unpacked here .*compression method"):
        records(path)


def test_a_full_disk_stays_an_error_of_the_disk(tmp_path):
    with pytest.raises(OSError, match="No space left"), archives.damage_named(tmp_path / "a"):
        raise OSError(28, "No space left on device")


def test_what_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ROOM", 1000)
    for name, content in (
        ("a.json.gz", b"[" + b" " * 10**6 + b"]"),
        ("a.parquet.gz", b"PAR1" + bytes(10**6)),
    ):
        (tmp_path / name).write_bytes(gzip.compress(content))
        with pytest.raises(InputError, match=rf"{name} unpacks to more than 20 times its size"):
            records(tmp_path / name)
    path = tmp_path / "bank.zip"
    path.write_bytes(zipped(**{LEVELS["allagree"]: b"a" * 10**6}))
    with pytest.raises(InputError, match="unpacks to more than"):
        load_phrasebank(path)


def test_a_line_that_fills_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MOST_IN_LINE", 1000)
    for name, start in ("a.csv.gz", b"text\n"), ("a.jsonl.gz", b'{"a": 1}\n'), ("a.txt.gz", b"a\n"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(start + b"a" * 999 + b"\n"))
        assert 1 <= len(records(path)) <= 2
        path.write_bytes(gzip.compress(start + b"a" * 1001 + b"\n"))
        with pytest.raises(InputError, match=rf"{name} has a line of more than 1,000 characters"):
            records(path)
