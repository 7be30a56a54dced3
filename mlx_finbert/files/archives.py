"""Zip archives and other compressed files: whatever is wrong with one is told in a sentence."""

import errno
import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from mlx_finbert.errors import InputError, first_line

DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
"""Errors of damaged content while it is unpacked."""

DAMAGED_DIRECTORY = (*DAMAGE, struct.error, ValueError, LookupError, OverflowError, MemoryError)
"""Errors of a damaged list of the files in a zip; a name that is not UTF-8 is a ValueError."""

ROOM, TIMES = 64 << 20, 20
"""What is unpacked as a whole may take these bytes, or so many times the size of the file."""


@contextmanager
def damage_named(path: Path, remedy: str = "download or compress it again") -> Iterator[None]:
    """Turn errors about a file's compressed content into one that names the file.

    Raises:
        InputError: If the content is damaged, or compressed in a way that Python does not know.
    """
    try:
        yield
    except DAMAGE as error:
        raise InputError(f"{path} is damaged ({first_line(error)}): {remedy}") from None
    except OSError as error:
        if not is_about_content(error):
            raise
        raise InputError(f"{path} is damaged ({first_line(error)}): {remedy}") from None
    except RuntimeError as error:
        if not isinstance(error, NotImplementedError) and "encrypted" not in str(error):
            raise
        raise InputError(
            f"{path} cannot be unpacked here ({first_line(error)}): unpack it and give the file"
            " inside"
        ) from None


def is_about_content(error: OSError) -> bool:
    """Whether an error comes from what a file says, not from the disk.

    bz2 raises an OSError without a number. Where bytes are missing, zipfile looks for a place
    before the beginning of the file (EINVAL).
    """
    return error.filename is None and error.errno in (None, errno.EINVAL)


@contextmanager
def open_zip(
    path: Path, remedy: str = "download or compress it again"
) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive, in which no two files have one name.

    Raises:
        InputError: For two files of one name, and, at any time in the block, for damage.
    """
    with damage_named(path, remedy):
        try:
            archive = zipfile.ZipFile(path)
        except (*DAMAGED_DIRECTORY, OSError) as error:
            if isinstance(error, OSError) and not is_about_content(error):
                raise
            raise InputError(
                f"{path} is not a readable zip file ({first_line(error)}): {remedy}"
            ) from None
        with archive:
            require_names_once(archive, path)
            yield archive


def require_names_once(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive with two files of one name: tools differ in which of them they read."""
    seen: set[str] = set()
    for name in archive.namelist():
        if name in seen:
            raise InputError(f"{path} contains two files named {name[:200]!r}: zip it again")
        seen.add(name)


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[IO[bytes]]:
    """Open a file in a zip archive; its own header may be damaged.

    Raises:
        InputError: If it cannot be opened.
    """
    try:
        file = archive.open(name)
    except (struct.error, ValueError, LookupError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path} is damaged ({first_line(error)}): download or compress it again"
        ) from None
    with file:
        yield file


class Readable(Protocol):
    """A file, packed or not."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes."""


def read_within(file: Readable, path: Path) -> bytes:
    """Read all of an unpacked file, unless it is out of proportion to the file on disk.

    Raises:
        InputError: If it is larger than `ROOM` and `TIMES` allow.
    """
    most = room_of(path)
    data = file.read(most + 1)
    if len(data) > most:
        raise too_large(path)
    return data


def room_of(path: Path) -> int:
    """The most bytes that are unpacked of a file at once."""
    return ROOM + TIMES * path.stat().st_size


def too_large(path: Path) -> InputError:
    """Make the error for content that would fill the memory."""
    return InputError(
        f"{path} unpacks to more than {TIMES} times its size: unpack it and give the file inside"
    )
