"""Files as bytes, out of gzip, bzip2, xz and zip, and what a file is called inside of these."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files import formats as file_formats

ByteStream = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile

OPENERS: dict[bytes, Callable[[Path], ByteStream]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""By a file's first bytes: what the endings `.gz`, `.bz2` and `.xz` promise."""

ENDINGS = (".gz", ".bz2", ".xz", ".zip")

DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)

SPREADSHEETS = {
    ".xlsx": "an Excel workbook",
    ".xlsm": "an Excel workbook",
    ".xlsb": "an Excel workbook",
    ".xls": "an Excel workbook",
    ".ods": "an OpenDocument spreadsheet",
    ".numbers": "a Numbers spreadsheet",
}
MARKS_IN_ZIP = {"xl/": ".xlsx", "mimetype": ".ods", "Index/": ".numbers"}
"""A member, or the folder of one, by which a spreadsheet is told from another zip."""

OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@contextmanager
def open_bytes(path: Path) -> Iterator[ByteStream]:
    """The bytes of a file, or of what is compressed in it.

    Raises:
        InputError: for a spreadsheet, for a zip without one clear table, and, at any time while
            the bytes are read, for damage.
    """
    start = start_of(path)
    try:
        if start.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(path) as archive, archive.open(member(path)) as file:
                yield file
            return
        opener = next((o for magic, o in OPENERS.items() if start.startswith(magic)), None)
        with opener(path) if opener else open(path, "rb") as file:
            yield file
    except DAMAGE as error:
        raise InputError(
            f"{path} is damaged ({first_line(error)}): fetch it or pack it again"
        ) from None
    except RuntimeError as error:
        if not isinstance(error, NotImplementedError) and "encrypted" not in str(error):
            raise
        raise InputError(
            f"{path} cannot be unpacked here ({first_line(error)}): unpack it and name the file"
            " inside"
        ) from None


def start_of(path: Path) -> bytes:
    """The first bytes, as they lie on the disk."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file in it")
    if not path.is_file():
        if path.exists():
            raise InputError(f"{path} cannot be read twice, as is needed: save it as a file")
        raise InputError(f"{path}: there is no such file")
    return file_formats.start_of(path)


def inner_name(path: Path) -> str:
    """What the file is called without compression: `news.csv` for `news.csv.gz`.

    Raises:
        InputError: for a spreadsheet, what a failed download leaves, and a zip without one clear
            table.
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
        raise InputError(f"{path} is not a readable zip file: fetch it or pack it again")
    return path.stem if path.suffix.lower() in ENDINGS else path.name


def refuse_spreadsheet(path: Path, ending: str) -> None:
    """Say how to save a spreadsheet as a text file."""
    if ending in SPREADSHEETS:
        raise InputError(
            f"{path} is {SPREADSHEETS[ending]}: save its sheet as CSV (in Excel: File, Save As,"
            " 'CSV UTF-8'; elsewhere: File, Export, CSV) and name that file"
        )


def member(path: Path) -> str:
    """The one table in a zip; folders, macOS's shadows and files on the data do not count.

    Raises:
        InputError: where there is none, or several.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except DAMAGE as error:
        raise InputError(f"{path} is not a readable zip file: {first_line(error)}") from None
    for mark, ending in MARKS_IN_ZIP.items():
        if any(name == mark or (mark.endswith("/") and name.startswith(mark)) for name in names):
            refuse_spreadsheet(path, ending)
    shown = [name for name in names if not is_shadow(name)]
    tables = [name for name in shown if is_table(name)] or [n for n in shown if not about_data(n)]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise InputError(f"{path} holds no table: {', '.join(names[:10]) or 'it is empty'}")
    raise InputError(
        f"{path} holds {len(tables)} tables ({', '.join(tables[:10])}): unpack it and name one of"
        " them, or the folder where they are the splits of one data set"
    )


def is_shadow(name: str) -> bool:
    """Whether a member is what macOS adds of its own."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def is_table(name: str) -> bool:
    """Whether a name ends as those of tables do; texts one a line are as often on the data."""
    ending = PurePosixPath(name).suffix.lower()
    return ending in (".csv", ".tsv", ".tab", ".psv", ".json", ".jsonl", ".ndjson", ".parquet")


def about_data(name: str) -> bool:
    """Whether a file is on the data and not of it: README, LICENSE."""
    return PurePosixPath(name).stem.lower().startswith(("readme", "license", "licence"))
