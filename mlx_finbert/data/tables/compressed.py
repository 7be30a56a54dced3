"""The bytes of files compressed with gzip, bzip2, xz or zip, and the names of the files inside."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from mlx_finbert.errors import InputError
from mlx_finbert.files import formats as file_formats
from mlx_finbert.files.archives import damage_named, open_member, open_zip

ByteStream = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile

OPENERS: dict[bytes, Callable[[Path], ByteStream]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""Functions that open `.gz`, `.bz2` and `.xz` files, by the first bytes of the file."""

ENDINGS = (".gz", ".bz2", ".xz", ".zip")

SPREADSHEETS = {
    ".xlsx": "an Excel workbook",
    ".xlsm": "an Excel workbook",
    ".xlsb": "an Excel workbook",
    ".xls": "an Excel workbook",
    ".ods": "an OpenDocument spreadsheet",
    ".numbers": "a Numbers spreadsheet",
}
MARKS_IN_ZIP = {"xl/": ".xlsx", "mimetype": ".ods", "Index/": ".numbers"}
"""A member or folder that distinguishes a spreadsheet from other zip files."""

OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@contextmanager
def open_bytes(path: Path) -> Iterator[ByteStream]:
    """Open a file for reading bytes, decompressed if it is compressed.

    Raises:
        InputError: For a spreadsheet or a zip without exactly one table, and, at any time while
            the bytes are read, for damage.
    """
    start = start_of(path)
    if start.startswith(b"PK\x03\x04"):
        name = member(path)
        with open_zip(path) as archive, open_member(archive, name, path) as file:
            yield file
        return
    opener = next((o for magic, o in OPENERS.items() if start.startswith(magic)), None)
    with damage_named(path), opener(path) if opener else open(path, "rb") as file:
        yield file


def start_of(path: Path) -> bytes:
    """Return the first bytes of a file as stored on disk."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: give a file in it")
    if not path.is_file():
        if path.exists():
            raise InputError(f"{path} must be read twice, which a pipe does not allow: save a file")
        raise InputError(f"{path}: there is no such file")
    return file_formats.start_of(path)


def inner_name(path: Path) -> str:
    """Return the file's name without compression: `news.csv` for `news.csv.gz`.

    Raises:
        InputError: For a spreadsheet, the remains of a failed download, and a zip without exactly
            one table.
    """
    start = start_of(path)
    if said := file_formats.not_fetched(start):
        raise InputError(f"{path} {said}")
    refuse_spreadsheet(path, path.suffix.lower())
    if start.startswith(OLD_EXCEL):
        refuse_spreadsheet(path, ".xls")
    if start.startswith(b"PK\x03\x04"):
        return PurePosixPath(member(path)).name
    if path.suffix.lower() == ".zip":
        raise InputError(f"{path} is not a readable zip file: download or compress it again")
    return path.stem if path.suffix.lower() in ENDINGS else path.name


def refuse_spreadsheet(path: Path, ending: str) -> None:
    """Refuse a spreadsheet; the message says how to save it as a text file."""
    if ending in SPREADSHEETS:
        raise InputError(
            f"{path} is {SPREADSHEETS[ending]}: save its sheet as CSV (in Excel: File, Save As,"
            " 'CSV UTF-8'; elsewhere: File, Export, CSV) and give that file"
        )


def member(path: Path) -> str:
    """Return the name of the only table in a zip.

    Folders, hidden files of macOS and files about the data do not count.

    Raises:
        InputError: If there is no table, or more than one.
    """
    with open_zip(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    for mark, ending in MARKS_IN_ZIP.items():
        if any(name == mark or (mark.endswith("/") and name.startswith(mark)) for name in names):
            refuse_spreadsheet(path, ending)
    shown = [name for name in names if not is_shadow(name)]
    tables = [name for name in shown if is_table(name)] or [n for n in shown if not about_data(n)]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise InputError(
            f"{path} contains no table ({', '.join(names[:10]) or 'it is empty'}): give a zip with"
            " one table"
        )
    raise InputError(
        f"{path} contains {len(tables)} tables ({', '.join(tables[:10])}): unpack it and give one"
        " of them, or the folder if they are the splits of one data set"
    )


def is_shadow(name: str) -> bool:
    """Whether a member is a hidden file, such as those that macOS adds."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def is_table(name: str) -> bool:
    """Whether a name has the ending of a table; `.txt` is left out, as it is often a README."""
    ending = PurePosixPath(name).suffix.lower()
    return ending in (".csv", ".tsv", ".tab", ".psv", ".json", ".jsonl", ".ndjson", ".parquet")


def about_data(name: str) -> bool:
    """Whether a file is about the data, such as README or LICENSE, and not the data itself."""
    return PurePosixPath(name).stem.lower().startswith(("readme", "license", "licence"))
