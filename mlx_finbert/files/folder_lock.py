"""Exclusive use of a folder by one process.

The lock is a lock of the kernel (flock(2)). It ends with the process, however the process ends, so
a killed command leaves nothing to clean up. The lock file only names the owner.
"""

import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import failures_named, remove_left, shortened
from mlx_finbert.files.json_text import read_json

log = logging.getLogger(__name__)

LOCK = ".lock"
"""The file in the folder that is locked and names the owner."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""The errors of flock(2) on disks without locks, such as some network disks."""


class FolderInUse(InputError):
    """Another process holds the folder; the message names it and the remedy."""


@dataclass(frozen=True)
class Owner:
    """A process that holds a folder."""

    pid: int
    host: str
    since: str
    """Local time with its offset, ISO 8601."""

    @classmethod
    def this_process(cls) -> "Owner":
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), since)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def claimed(folder: Path, remedy: str) -> Iterator[Path]:
    """Hold a folder exclusively while the block runs; other calls fail, in any process.

    The folder is created if it is missing, and removed again if the block leaves it empty. The
    temporary files of killed processes in it, such as a whole model, are removed. On a disk without
    locks, or if a process on another host left its lock file, a warning is logged.

    Args:
        folder: The folder to hold.
        remedy: What to do instead, as the end of a sentence: "name another --output".

    Yields:
        The folder.

    Raises:
        FolderInUse: If another process holds the folder; names the owner and the remedy.
        InputError: If the folder or one of its parents is a file.
        OSError: If the folder cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder} is not a folder ({error.strerror}): {remedy}") from None
    lock = folder / LOCK
    try:
        file = _locked(lock, remedy)
        try:
            remove_left(folder)
            yield folder
        finally:
            # Removed before the lock ends, so that a process that has opened the file meanwhile
            # sees that it is gone.
            lock.unlink(missing_ok=True)
            os.close(file)
    finally:
        with suppress(OSError):
            for path in made:
                path.rmdir()


@contextmanager
def claimed_file(target: Path, remedy: str) -> Iterator[None]:
    """Hold a file that the block writes exclusively; see `claimed`.

    Raises:
        FolderInUse: If another process writes the file; names it and the remedy.
    """
    folder = target.with_name(f".{shortened(target.name)}.writing")
    with claimed(folder, remedy):
        remove_left(target.parent, target.name)
        yield
    # `claimed` does not remove a folder that a killed process has created.
    with suppress(OSError):
        folder.rmdir()


def owner_of(folder: Path) -> Owner | None:
    """Return the process that holds a folder, or was killed while it did; None if not known."""
    try:
        return Owner(**read_json(folder / LOCK))
    except (OSError, ValueError, TypeError):
        return None


def _locked(lock: Path, remedy: str) -> int:
    """Open and lock the lock file; closing it releases the lock."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file, lock, remedy)
            if not _is_still(file, lock):
                # The previous owner removed it between the two calls above.
                os.close(file)
                continue
            _warn_of_other_host(lock)
            os.ftruncate(file, 0)
            with failures_named(lock):
                os.write(file, json.dumps(asdict(Owner.this_process())).encode())
            return file
        except BaseException:
            with suppress(OSError):
                os.close(file)
            raise


def _lock(file: int, lock: Path, remedy: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = owner_of(lock.parent) or "another process"
        raise FolderInUse(
            f"{lock.parent} is in use by {owner}: wait until it ends, or {remedy}"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning(
            "%s is on a disk without file locks (%s): do not start another command that writes"
            " there until this one has ended",
            lock.parent,
            error.strerror,
        )


def _is_still(file: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(lock))
    except FileNotFoundError:
        return False


def _warn_of_other_host(lock: Path) -> None:
    """Warn if another host left the lock file: some network disks lock only within one host."""
    left = owner_of(lock.parent)
    if left and left.host != socket.gethostname():
        log.warning(
            "%s was in use by %s, which may not have ended: if that process still runs, stop this"
            " command",
            lock.parent,
            left,
        )
