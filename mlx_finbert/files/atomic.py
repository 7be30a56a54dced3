"""Files that are either complete or absent, even after a kill or a power cut; their checksums."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with failures_named(path):
            yield part
        flush(part)
        os.replace(part, path)
        flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """Add `path` to errors of the block that name no file, such as those of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically."""
    with replaced(path) as part:
        part.write_bytes(data)


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
