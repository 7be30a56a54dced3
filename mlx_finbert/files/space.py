"""Space on disks: checked before long work, and told when it runs out."""

import errno
import os
from pathlib import Path

from mlx_finbert.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The errors of writing to a full disk, beyond a quota and beyond the largest size of a file."""


def require_space(folder: Path, needed: int, parameter: str, what: str) -> None:
    """Refuse work whose results do not fit on a disk.

    Args:
        folder: Where they will be written; it or a folder above it exists.
        needed: Their size in bytes.
        parameter: The parameter that names the folder.
        what: The results, as the subject of a sentence in the plural: "the checkpoints".

    Raises:
        InputError: If they do not fit; says how much is needed and free.
    """
    free = free_bytes(folder)
    if free is not None and needed > free:
        raise InputError(
            f"`{parameter}`: {what} need {size_text(needed)}, but the disk of {folder} has"
            f" {size_text(free)} free: free some space, or name a place on another disk"
        )


def free_bytes(path: Path) -> int | None:
    """Return the free space on the disk of a path, which may not exist yet; None if not known."""
    place = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    try:
        disk = os.statvfs(place)
    except OSError:
        return None
    # Some network disks report no size at all.
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def size_of(path: Path) -> int:
    """Return the bytes of a file or of all files in a folder; 0 if there is none."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def tell_space(error: OSError, path: Path, needed: str) -> None:
    """Let the error of a full disk say how much is needed and free, unless it does already.

    Args:
        error: An error of a write.
        path: A path on the disk.
        needed: The size in words: "1.2 GB", "more than 3.4 MB".
    """
    if error.errno in FULL and error.strerror == os.strerror(error.errno):
        free = free_bytes(path)
        told = "" if free is None else f", and the disk has {size_text(free)} free"
        error.strerror = f"{error.strerror}: it needs {needed}{told}"


def size_text(size: int) -> str:
    """Format a number of bytes: "438.2 MB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"
