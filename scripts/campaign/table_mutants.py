"""Mutants of tables: CSV and plain text, Parquet, and what compresses them."""

import bz2
import gzip
import io
import json
import lzma
import struct
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from mutants import ANY, Mutant, Mutations

BOMB_BYTES = 1 << 31
"""Zeros in what a bomb unpacks to."""

CELLS = {
    "nothing": "", "a quote": '"', "quotes": '"a""b', "a delimiter": ",", "tabs": "\t\t",
    "lines": '"a\nb"', "a carriage return": "\r", "a zero byte": "\0", "a formula": "=1+1",
    "a long cell": "x" * 200_000, "an open quote": '"x', "half an escape": "\\", "null": "\\N",
    "a line separator": "\u2028", "an emoji": "\U0001f600", "NaN": "nan", "a number": "1e999",
    "a byte order mark": "\ufeff", "a control character": "\x1a", "white space": " \u00a0\u3000",
}  # fmt: skip


def cells(content: bytes, random: Random) -> Mutant:
    """Put an odd cell into a line, in a table with any delimiter or with none."""
    lines = content.decode("utf-8").splitlines()
    number = random.randrange(len(lines))
    name, cell = random.choice([*CELLS.items()])
    words = lines[number].split(",")
    words[random.randrange(len(words))] = cell
    lines[number] = ",".join(words)
    return Mutant("\n".join(lines).encode(), f"line {number + 1}: {name}")


def lines_moved(content: bytes, random: Random) -> Mutant:
    """Remove, repeat or empty a line, or end lines in another way."""
    lines = content.splitlines(keepends=True)
    number = random.randrange(len(lines))
    kind = random.choice(["removed", "a thousand times", "empty", "ended by CR", "without ends"])
    if kind == "removed":
        del lines[number]
    elif kind == "a thousand times":
        lines[number:number] = [lines[number]] * 1_000
    elif kind == "empty":
        lines[number] = b"\n"
    else:
        end = b"\r" if kind == "ended by CR" else b""
        lines = [line.rstrip(b"\n") + end for line in lines]
    return Mutant(b"".join(lines), f"line {number + 1} {kind}")


def encoded(content: bytes, random: Random) -> Mutant:
    """Write the text in another encoding."""
    names = ["utf-16", "utf-32", "latin-1", "cp1252", "shift_jis", "utf-8-sig", "utf-7"]
    name = random.choice(names)
    return Mutant(content.decode("utf-8").encode(name, "replace"), f"in {name}")


TEXT = Mutations(
    ANY
    | {
        "one line": lambda content: content.splitlines()[0],
        "a header twice": lambda content: content.splitlines()[0] + b"\n" + content,
        "a thousand columns": lambda _: b",".join(b"c%d" % i for i in range(1_000)) + b"\n1",
        "a column name twice": lambda _: b"text,text,label\na,b,c\n",
        "zero bytes between lines": lambda content: content.replace(b"\n", b"\0\n"),
        "a long line": lambda _: b"text,label\n" + b"x" * 5_000_000,
        "quotes only": lambda _: b'"' * 10_001,
    },
    [cells, lines_moved, encoded],
)


def packed(pack: Callable[[bytes], bytes], inner: Mutations, more: dict[str, Any]) -> Mutations:
    """The mutants of a compressed file: those of its content, and its own."""

    def repacked(mutate: Callable[[bytes, Random], Mutant]) -> Callable[[bytes, Random], Mutant]:
        def change(content: bytes, random: Random) -> Mutant:
            mutant = mutate(_unpacked(content), random)
            return Mutant(pack(mutant.content), f"packed: {mutant.mutation}")

        return change

    own = {
        "a bomb": lambda _: _bomb(pack),
        "the content unpacked": _unpacked,
        "packed twice": pack,
        "two after each other": lambda content: content * 2,
        "with text after its end": lambda content: content + b"more",
    }
    return Mutations(ANY | own | more, [repacked(mutate) for mutate in inner.mutators])


def _unpacked(content: bytes) -> bytes:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(archive.namelist()[0])
    openers = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress}
    return openers.get(content[:3], openers.get(content[:2], lzma.decompress))(content)


@cache
def _bomb(pack: Callable[[bytes], bytes]) -> bytes:
    """A small file that unpacks to far more than a gigabyte: a table with one endless line."""
    head = b"text,label\n"
    if pack is zipped:
        return _zip_of([("news.csv", head + bytes(BOMB_BYTES // 4))])
    # These formats allow several streams one after the other.
    piece = pack(bytes(BOMB_BYTES // 32))
    return pack(head) + piece * 32


def zipped(content: bytes, name: str = "news.csv") -> bytes:
    return _zip_of([(name, content)])


def _zip_of(entries: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def entries_of(content: bytes) -> list[tuple[str, bytes]]:
    """The names and the content of a zip's files."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def with_field(content: bytes, mark: bytes, at: int, form: str, value: int) -> bytes:
    """Set a field of every record of a zip that begins with a mark."""
    changed, start = bytearray(content), content.find(mark)
    while start >= 0:
        if start + at + struct.calcsize(form) <= len(changed):
            struct.pack_into(form, changed, start + at, value)
        start = content.find(mark, start + 4)
    return bytes(changed)


def overwritten(content: bytes, at: int) -> bytes:
    """Content with eight other bytes in a place."""
    return content[:at] + bytes(255 - byte for byte in content[at : at + 8]) + content[at + 8 :]


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

ZIP_FIELDS = {
    "encrypted": (8, "<H", 1),
    "a method that is none": (10, "<H", 77),
    "by LZMA": (10, "<H", 14),
    "by bzip2": (10, "<H", 12),
    "stored": (10, "<H", 0),
    "a wrong checksum": (16, "<I", 1),
    "no compressed bytes": (20, "<I", 0),
    "4 GB": (24, "<I", 0xFFFFFFFE),
    "ZIP64 without its field": (24, "<I", 0xFFFFFFFF),
    "a name without end": (28, "<H", 0xFFFF),
    "more without end": (30, "<H", 0xFFFF),
    "on another disk": (34, "<H", 9),
    "beyond the file": (42, "<I", 0x7FFFFFFF),
}
"""Fields of an entry in the directory of a zip, by what they then say: place, form, value."""


def zip_field(content: bytes, random: Random) -> Mutant:
    """Set a field of the entries or of the end of a zip."""
    if random.random() < 0.5:
        name, (at, form, value) = random.choice([*ZIP_FIELDS.items()])
        return Mutant(with_field(content, CENTRAL, at, form, value), name)
    mark, size = random.choice([(LOCAL, 30), (CENTRAL, 46), (END, 22)])
    at, value = random.randrange(4, size - 1), random.choice([0, 1, 0xFF, 0xFFFF, 0x8000])
    return Mutant(with_field(content, mark, at, "<H", value), f"{mark!r} + {at} is {value}")


ZIP_HOSTILE = {
    "no files": lambda _: _zip_of([]),
    "a name twice": lambda content: _zip_of(entries_of(content) * 2),
    "names out of the folder": lambda content: _zip_of(
        [(f"../../{name}", data) for name, data in entries_of(content)]
    ),
    "a folder": lambda _: _zip_of([("news.csv/", b"")]),
    "by LZMA, damaged": lambda content: overwritten(
        _zip_of(entries_of(content), zipfile.ZIP_LZMA), 60
    ),
    "by LZMA": lambda content: _zip_of(entries_of(content), zipfile.ZIP_LZMA),
    "by bzip2": lambda content: _zip_of(entries_of(content), zipfile.ZIP_BZIP2),
    "a byte missing near the start": lambda content: content[:40] + content[41:],
    "bytes missing in the middle": lambda content: content[:99] + content[199:],
    "its end alone": lambda content: content[content.rfind(END) :],
    "a comment as long as can be": lambda content: content[:-2] + b"\xff\xff" + bytes(0xFFFF),
    "a name that is not UTF-8": lambda content: with_field(
        with_field(content.replace(b"news", b"\xff\xfe\xfd\xfc"), CENTRAL, 8, "<H", 0x800),
        LOCAL, 6, "<H", 0x800,
    ),
} | {
    name: lambda content, field=field: with_field(content, CENTRAL, *field)
    for name, field in ZIP_FIELDS.items()
}  # fmt: skip

CSV_ZIP = packed(zipped, TEXT, ZIP_HOSTILE)
CSV_ZIP = Mutations(CSV_ZIP.hostile, [*CSV_ZIP.mutators, zip_field])
CSV_GZIP = packed(gzip.compress, TEXT, {})
CSV_BZIP2 = packed(bz2.compress, TEXT, {})
CSV_XZ = packed(lzma.compress, TEXT, {})
ZIP = Mutations(ANY | ZIP_HOSTILE, [zip_field])


ROWS = 12


def _column(kind: str) -> pa.Array:
    """A column of a type; `ROWS` values."""
    return COLUMNS[kind]()


def _latin_1() -> pa.Array:
    binary = pa.array([b"caf\xe9"] * ROWS, pa.binary())
    return pa.StringArray.from_buffers(ROWS, binary.buffers()[1], binary.buffers()[2])


COLUMNS: dict[str, Callable[[], pa.Array]] = {
    "texts": lambda: pa.array([f"sales rose {i}" for i in range(ROWS)]),
    "labels": lambda: pa.array(["a", "b", "c"] * (ROWS // 3)),
    "bytes that are not UTF-8": _latin_1,
    "bytes": lambda: pa.array([b"\xff"] * ROWS),
    "dates beyond 9999": lambda: pa.array([2**30] * ROWS, pa.int32()).cast(pa.date32()),
    "dates": lambda: pa.array([date(2020, 1, 1)] * ROWS),
    "times beyond 9999": lambda: pa.array([2**61] * ROWS, pa.timestamp("us")),
    "nanoseconds": lambda: pa.array([2**61 + 1] * ROWS, pa.timestamp("ns", "UTC")),
    "a zone that is none": lambda: pa.array([1] * ROWS, pa.timestamp("us", "Mars/Olympus")),
    "durations": lambda: pa.array([2**62] * ROWS, pa.duration("s")),
    "decimals": lambda: pa.array([Decimal("1.5")] * ROWS, pa.decimal128(38, 9)),
    "nulls": lambda: pa.nulls(ROWS),
    "NaN": lambda: pa.array([float("nan")] * ROWS),
    "whole numbers": lambda: pa.array([2**63 - 1] * ROWS),
    "half floats": lambda: pa.array([1.5] * ROWS, pa.float64()).cast(pa.float16()),
    "booleans": lambda: pa.array([True] * ROWS),
    "lists": lambda: pa.array([[1, None]] * ROWS),
    "objects": lambda: pa.array([{"a": {"b": [None]}}] * ROWS),
    "maps": lambda: pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
    "a dictionary": lambda: pa.array(["a", "b", "c"] * (ROWS // 3)).dictionary_encode(),
    "long texts": lambda: pa.array(["x" * 100_000] * ROWS, pa.large_string()),
    "texts with zero bytes": lambda: pa.array(["a\0b"] * ROWS),
}


def parquet_of(columns: Sequence[tuple[str, str]], **more: Any) -> bytes:
    """A Parquet file of columns, each a name and a key of `COLUMNS`."""
    names = [name for name, _ in columns]
    found = pa.table([_column(kind) for _, kind in columns], names=names)
    if "metadata" in more:
        found = found.replace_schema_metadata(more.pop("metadata"))
    file = io.BytesIO()
    pq.write_table(found, file, **more)
    return file.getvalue()


def parquet_columns(_: bytes, random: Random) -> Mutant:
    """Write a table of the right names with columns of any types."""
    kinds = {"text": "texts", "label": "labels", "when": random.choice([*COLUMNS])}
    if random.random() < 0.5:
        kinds[random.choice(["text", "label"])] = random.choice([*COLUMNS])
    compression = random.choice(["none", "snappy", "gzip", "zstd", "lz4"])
    content = parquet_of([*kinds.items()], compression=compression)
    return Mutant(content, ", ".join(f"{name}: {kind}" for name, kind in kinds.items()))


RIGHT = ("text", "texts"), ("label", "labels")


def parquet_right(more: str) -> bytes:
    """A right table with one more column."""
    return parquet_of([*RIGHT, ("more", more)])


PARQUET = Mutations(
    ANY
    | {f"more: {kind}": lambda _, kind=kind: parquet_right(kind) for kind in COLUMNS}
    | {
        "no rows": lambda _: _no_rows(),
        "a name twice": lambda _: parquet_of([*RIGHT, ("text", "texts")]),
        "no columns": lambda _: parquet_of([]),
        "features of datasets that are none": lambda _: parquet_of(
            RIGHT, metadata={"huggingface": '{"info": {"features": 5}}'}
        ),
        "features that are not JSON": lambda _: parquet_of(RIGHT, metadata={"huggingface": "{"}),
        "features, deep": lambda _: parquet_of(RIGHT, metadata={"huggingface": "[" * 100_000}),
        "names of labels that are none": lambda _: parquet_of(
            RIGHT,
            metadata={
                "huggingface": json.dumps(
                    {"info": {"features": {"label": {"names": 5, "_type": "ClassLabel"}}}}
                )
            },
        ),
    },
    [parquet_columns],
)  # fmt: skip


def _no_rows() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": []}), file)
    return file.getvalue()
