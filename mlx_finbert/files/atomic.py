"""Files that are either complete or absent, even after a kill or a power cut; their checksums."""

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlx_finbert.files.paths import NAME_BYTES
from mlx_finbert.files.space import size_of, size_text, tell_space

PART_FOLDER = ".part-"
"""The beginning of the names of temporary folders."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{shortened(path.name)}.{os.getpid()}.part")
    with failures_named(path, part), _locked(part):
        try:
            with failures_named(path, part):
                yield part
                flush(part)
                os.replace(part, path)
                flush(path.parent)
        finally:
            part.unlink(missing_ok=True)


def shortened(name: str) -> str:
    """Shorten a file's name so that it fits the file system with 40 more bytes."""
    data, most = os.fsencode(name), NAME_BYTES - 40
    if len(data) <= most:
        return name
    # Half a character would be no UTF-8, which macOS requires.
    beginning = data[: most - 17].decode("utf-8", "ignore")
    return f"{beginning}-{hashlib.sha256(data).hexdigest()[:16]}"


@contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Lock a temporary file, by which `remove_left` knows that its process still runs."""
    file = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)


def remove_left(folder: Path, name: str | None = None) -> None:
    """Remove temporary files and folders in a folder whose process is gone.

    On a disk without locks they may still be in use, so they stay.

    Args:
        folder: The folder.
        name: The file that they were to replace; None for all, and for temporary folders too.
    """
    file = re.escape(shortened(name)) if name else ".+"
    for left in folder.iterdir():
        is_file = re.fullmatch(rf"\.{file}\.\d+\.part", left.name) and left.is_file()
        if is_file or (name is None and left.name.startswith(PART_FOLDER) and left.is_dir()):
            _remove_unlocked(left)


def _remove_unlocked(left: Path) -> None:
    with suppress(OSError):
        file = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        finally:
            os.close(file)


@contextmanager
def failures_named(path: Path, part: Path | None = None) -> Iterator[None]:
    """Let errors of the block name `path`, if they name no file, or what is written in its place.

    The error of a full disk also says how much is needed.

    Args:
        path: The file or folder that the user asked for.
        part: The temporary file or folder that will replace it.
    """
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        for name in ("filename", "filename2"):
            named = getattr(error, name)
            if part and isinstance(named, str | Path) and Path(named).is_relative_to(part):
                setattr(error, name, str(path / Path(named).relative_to(part)))
        if part and part.exists():
            size = size_of(part)
            tell_space(error, part, f"more than {size_text(size)}" if size else "more space")
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically."""
    with replaced(path) as part:
        try:
            part.write_bytes(data)
        except OSError as error:
            tell_space(error, part, size_text(len(data)))
            raise


def write_text(path: Path, text: str) -> None:
    """Write a whole file in UTF-8 atomically."""
    write_bytes(path, text.encode("utf-8"))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(*paths: Path) -> None:
    """Force files and folders to disk; otherwise a rename may reach the disk before the content."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            _fsync(file)
            # On macOS, fsync(2) leaves the data in the drive's cache. F_FULLFSYNC flushes the whole
            # cache, so one call is enough. Some disks do not support it.
            if hasattr(fcntl, "F_FULLFSYNC") and path == paths[-1]:
                with suppress(OSError):
                    fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        finally:
            os.close(file)


def _fsync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        # Some network disks do not support fsync for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
