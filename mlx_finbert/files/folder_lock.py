"""Exclusive use of a folder by one process.

The lock is the kernel's (flock(2)): it ends with the process, however that ends, so that a killed
command leaves nothing to clear up. The lock file only says who holds it.
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
from mlx_finbert.files.atomic import failures_named

log = logging.getLogger(__name__)

LOCK = ".lock"
"""The file in the folder that is locked and that names the owner."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""Errors of flock(2) on a disk without locks, as some network disks are."""


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

    The folder is made if it is missing, and removed again if the block leaves it empty. On a disk
    without locks, or if a process of another host left its lock file, one logged sentence says what
    is not known.

    Args:
        folder: to hold.
        remedy: what to do instead, as the end of a sentence: "name another --output".

    Yields:
        The folder.

    Raises:
        FolderInUse: names the owner and the remedy.
        InputError: where the folder, or one that it is in, is a file.
        OSError: where the folder cannot be written.
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
            yield folder
        finally:
            # Before the lock ends: whoever opened this file meanwhile sees that it is gone.
            lock.unlink(missing_ok=True)
            os.close(file)
    finally:
        with suppress(OSError):
            for path in made:
                path.rmdir()


def owner_of(folder: Path) -> Owner | None:
    """Who holds a folder, or was killed while holding it; None where nothing says so."""
    try:
        return Owner(**json.loads((folder / LOCK).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _locked(lock: Path, remedy: str) -> int:
    """The lock file, open and locked; it is closed to release the lock."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file, lock, remedy)
            if not _is_still(file, lock):
                # The owner before removed it between the two calls above.
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
            "%s is on a disk without file locks (%s): start no other command that writes there"
            " until this one has ended",
            lock.parent,
            error.strerror,
        )


def _is_still(file: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(lock))
    except FileNotFoundError:
        return False


def _warn_of_other_host(lock: Path) -> None:
    """Some network disks lock only within one host."""
    left = owner_of(lock.parent)
    if left and left.host != socket.gethostname():
        log.warning(
            "%s was in use by %s, which did not say that it ended: if it still runs there, stop"
            " this command",
            lock.parent,
            left,
        )
