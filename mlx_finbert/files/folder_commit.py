"""Atomic replacement of several files in a folder, such as a model's config and weights.

The new files are written into a subfolder `.part-*`, which is then renamed to `.committed`. Before
the rename the old files count, after it the new ones. The new files then move up into the folder.
If a process is killed during the move, the next one that writes or reads the folder completes it
(`finish`).

While a reader holds the folder's lock, no writer moves files. Some disks have no locks, so readers
also compare the state of the folder before and after reading.
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
from mlx_finbert.files.atomic import PART_FOLDER, failures_named, flush, remove_left
from mlx_finbert.files.json_text import read_json

Found = TypeVar("Found")

COMMITTED = ".committed"
OUTDATED = ".outdated.json"
"""The file in a folder of new files that lists the old files to remove."""
NEW = ".new.json"
"""The file in a folder of new files that lists their names, some of which may have moved."""
REPLACED = ".replaced"
"""The subfolder of a committed folder that takes the old folders.

They are moved away first, because a rename cannot replace a folder that is not empty.
"""

LOCK_SECONDS = 10
"""The longest time that a writer waits for readers: a reader that hangs must not stop a training.
"""
TRIES, PAUSE = 20, 0.05
"""Attempts before a reader gives up, and the seconds between two attempts."""
READ_SUFFIXES = (".json", ".safetensors", ".bin", ".txt", ".yaml", ".tsv")
"""The endings of a model's files; other files, such as logs, may change while it is read."""


@contextmanager
def replacing(folder: Path, outdated: Collection[str] = ()) -> Iterator[Path]:
    """Yield a new folder inside `folder`; its content moves up atomically if the block succeeds.

    Args:
        folder: The folder; created if it is missing.
        outdated: Paths in `folder` to remove, unless the block writes files with these names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _new_part(folder) as part, failures_named(folder, part):
        yield part
        new = sorted(path.name for path in part.iterdir())
        for name, names in ((NEW, new), (OUTDATED, sorted(set(outdated) - set(new)))):
            (part / name).write_text(json.dumps(names), encoding="utf-8")
        flush(*part.rglob("*"), part)
        with _locked(folder, fcntl.LOCK_EX):
            _move_up(folder)
            os.rename(part, folder / COMMITTED)
            flush(folder)
            _move_up(folder)


@contextmanager
def _new_part(folder: Path) -> Iterator[Path]:
    """Create a locked, empty folder `.part-*`; remove those that killed processes left."""
    with failures_named(folder), _locked(folder, fcntl.LOCK_EX):
        remove_left(folder)
        part = Path(tempfile.mkdtemp(prefix=PART_FOLDER, dir=folder))
        file = os.open(part, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(file)


def finish(folder: Path) -> list[str]:
    """Complete the move that a killed process began.

    Returns:
        The names of all files and folders that the move put in place; none if there was no move.

    Raises:
        InputError: If this process may not write to the folder.
    """
    if not (folder / COMMITTED).is_dir():
        return []
    try:
        with _locked(folder, fcntl.LOCK_EX):
            return _move_up(folder)
    except OSError as error:
        raise InputError(
            f"{folder} is being written, or the command that wrote it was killed, and its files"
            f" cannot be moved into place ({error.strerror}): open it once from an account or"
            " computer that can write to it"
        ) from error


def read_whole(folder: Path, read: Callable[[], Found]) -> Found:
    """Read files of a folder that all belong to one state of it.

    Args:
        folder: The folder; other processes may replace its files meanwhile (`replacing`).
        read: Reads the files. It is called again if files were replaced meanwhile, and may itself
            call `read_whole`.

    Returns:
        The result of `read`.

    Raises:
        InputError: If files were replaced during every attempt.
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
    raise InputError(f"{folder} keeps being rewritten: read it after the writing has ended")


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return the inode, size and time of each file, which change when a file is replaced."""
    state = {}
    for path in folder.iterdir():
        if path.suffix in READ_SUFFIXES:
            with suppress(FileNotFoundError):
                stat = path.stat()
                state[path.name] = stat.st_ino, stat.st_size, stat.st_mtime_ns
    return state


def _move_up(folder: Path) -> list[str]:
    """Move the committed files into the folder; some may already have moved. Return all names."""
    committed = folder / COMMITTED
    names: list[str] = []
    # On a disk without locks another process may do the same at this moment.
    with suppress(FileNotFoundError):
        with suppress(FileNotFoundError):
            names = _listed(committed, NEW)
        for name in _listed(committed, OUTDATED):
            _remove(folder / name)
        for new in sorted(committed.iterdir()):
            if new.name not in (NEW, OUTDATED, REPLACED):
                _put(new, folder / new.name)
        flush(folder)
        done = tempfile.mkdtemp(prefix=PART_FOLDER, dir=folder)
        os.rename(committed, done)
        shutil.rmtree(done, ignore_errors=True)
    return names


def _listed(committed: Path, name: str) -> list[str]:
    """Read a list of files; a folder from elsewhere may list files outside of it."""
    names = read_json(committed / name, f"remove the folder {committed} or make it again")
    if isinstance(names, list) and all(map(_is_inside, names)):
        return names
    raise InputError(
        f"{committed / name} does not list files of its folder: remove {committed}, whose files"
        " are not in use yet"
    )


def _is_inside(name: object) -> bool:
    """Whether a name is that of a file in a folder, at any depth."""
    if not isinstance(name, str) or "\0" in name:
        return False
    return not {"", ".", ".."} & {*name.split("/")}


def _put(new: Path, place: Path) -> None:
    """Rename `new` to `place`; if either is a folder, move the old one away first."""
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
    """Hold a folder's lock (flock(2)): LOCK_EX to move its files, LOCK_SH to read them."""
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
