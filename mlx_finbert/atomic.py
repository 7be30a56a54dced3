"""Files that are either whole or not there: written beside, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`, whose files move up into it when the block has succeeded.

    Nothing moves before all is written; then the files move one by one, each whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        yield part
        for file in sorted(part.iterdir()):
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


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
