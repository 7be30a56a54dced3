"""Files and folders that are either whole or not there: written beside, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`, whose content moves up into it when the block has succeeded.

    Nothing moves before all is written; then files and folders move one by one, each whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        yield part
        for new in sorted(part.iterdir()):
            _put(new, folder / new.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(new: Path, place: Path) -> None:
    """Rename over what is there; a folder, or what one takes the place of, is moved away first."""
    if not place.is_dir() and not (new.is_dir() and place.exists()):
        os.replace(new, place)
        return
    old = new.with_name(f"{new.name}.old")
    os.replace(place, old)
    try:
        os.replace(new, place)
    except BaseException:
        os.replace(old, place)
        raise


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path next to `path` to write to; it takes the place of `path` when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """A whole file at once."""
    with replaced(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """A whole file at once, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))
