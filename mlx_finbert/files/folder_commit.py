"""Files of a folder that are replaced as one, such as a model's config and weights.

The new files are written into a subfolder `.part-*`. One rename of that to `.committed` decides:
before it the old files count, after it the new ones. These then move to their places. If a process
is killed during the move, the next one that writes or reads here finishes it (`finish`).

While a reader holds the folder's lock, no writer moves files. Some disks have no locks: readers
therefore also compare the state of the folder before and after.
"""

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import failures_named, flush

Found = TypeVar("Found")

COMMITTED = ".committed"
OUTDATED = ".outdated.json"
"""In a folder of new files: names of old files to remove."""
REPLACED = ".replaced"
"""In a committed folder: the old folders, since no rename replaces a folder with content."""

LOCK_SECONDS = 10
"""How long a writer waits for readers: one that hangs must not stop a training."""
TRIES, PAUSE = 20, 0.05
"""Readings before a reader gives up, and the seconds between two."""
READ_SUFFIXES = (".json", ".safetensors", ".bin", ".txt", ".yaml", ".tsv")
"""Of a model's files; a log in its folder may grow while the model is read."""


@contextmanager
def written_beside(folder: Path, outdated: Collection[str] = ()) -> Iterator[Path]:
    """A new folder inside `folder`, whose content moves up, as one, when the block succeeds.

    Args:
        folder: made where it is missing.
        outdated: paths in `folder` to remove, unless the block writes new ones by these names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with failures_named(folder), _new_part(folder) as part:
        yield part
        names = sorted(set(outdated) - {new.name for new in part.iterdir()})
        (part / OUTDATED).write_text(json.dumps(names), encoding="utf-8")
        flush(*part.rglob("*"), part)
        with _locked(folder, fcntl.LOCK_EX):
            _move_up(folder)
            os.rename(part, folder / COMMITTED)
            flush(folder)
            _move_up(folder)


@contextmanager
def _new_part(folder: Path) -> Iterator[Path]:
    """An empty folder `.part-*`, locked while it is written; those of killed processes go."""
    with _locked(folder, fcntl.LOCK_EX):
        for left in folder.glob(".part-*"):
            _remove_unlocked(left)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
        file = os.open(part, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(file)


def _remove_unlocked(part: Path) -> None:
    # Without locks, nothing tells whether it is still being written.
    with suppress(OSError):
        file = os.open(part, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(part)
        finally:
            os.close(file)


def finish(folder: Path) -> None:
    """Finish the move that a killed process had begun.

    Raises:
        InputError: where this process may not write there.
    """
    if not (folder / COMMITTED).is_dir():
        return
    try:
        with _locked(folder, fcntl.LOCK_EX):
            _move_up(folder)
    except OSError as error:
        raise InputError(
            f"{folder} is being written, or the command that wrote it was killed, and its files"
            f" cannot be put in place ({error.strerror}): open it once from where it can be written"
        ) from error


def read_whole(folder: Path, read: Callable[[], Found]) -> Found:
    """The result of `read`, which reads files of a folder, from one state of these files.

    Args:
        folder: in which any process may be replacing files by `written_beside`.
        read: called again if files were replaced meanwhile; it may itself call `read_whole`.

    Raises:
        InputError: if files are replaced again and again.
    """
    for _ in range(TRIES):
        finish(folder)
        with _locked(folder, fcntl.LOCK_SH):
            before = _state(folder)
            try:
                found = read()
            except Exception:
                if _state(folder) == before:
                    raise
            else:
                if _state(folder) == before and not (folder / COMMITTED).exists():
                    return found
        time.sleep(PAUSE)
    raise InputError(f"{folder} is being written again and again: read it when that has ended")


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What changes when a file is replaced, by name."""
    state = {}
    for path in folder.iterdir():
        if path.suffix in READ_SUFFIXES:
            with suppress(FileNotFoundError):
                stat = path.stat()
                state[path.name] = stat.st_ino, stat.st_size, stat.st_mtime_ns
    return state


def _move_up(folder: Path) -> None:
    """Move the committed files to their places; some may be there already."""
    committed = folder / COMMITTED
    # On a disk without locks another process may be doing the same.
    with suppress(FileNotFoundError):
        for name in json.loads((committed / OUTDATED).read_text(encoding="utf-8")):
            _remove(folder / name)
        for new in sorted(committed.iterdir()):
            if new.name not in (OUTDATED, REPLACED):
                _put(new, folder / new.name)
        flush(folder)
        done = tempfile.mkdtemp(prefix=".part-", dir=folder)
        os.rename(committed, done)
        shutil.rmtree(done, ignore_errors=True)


def _put(new: Path, place: Path) -> None:
    """Rename over what is there; where either is a folder, the old one is moved away first."""
    if not place.is_dir() and not (new.is_dir() and place.exists()):
        os.replace(new, place)
        return
    old = new.parent / REPLACED / new.name
    _remove(old)
    old.parent.mkdir(exist_ok=True)
    os.replace(place, old)
    try:
        os.replace(new, place)
    except BaseException:
        os.replace(old, place)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[None]:
    """Hold the lock of a folder (flock(2)): LOCK_EX to move its files, LOCK_SH to read them."""
    file = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, operation | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                # A disk without locks.
                break
        yield
    finally:
        os.close(file)
