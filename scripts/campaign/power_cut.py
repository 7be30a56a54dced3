"""Records what a process asks of the disk, and finds what a power cut could lose.

A renamed file may reach the disk before its content, and a rename may be lost. So a file has to be
flushed (fsync) after its last change and before it is renamed, a folder's files and the folder
likewise, and the folder in which the new name stands after the rename.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

THROWN_AWAY = ".part-"
"""Names that folders get before they are removed; their content may be lost."""


@dataclass
class Disk:
    """A recording layer above the functions of `os` that flush and rename."""

    folder: Path
    """Only what happens in this folder counts."""
    events: list[str] = field(default_factory=list)
    """`fsync NAME` and `rename NAME`, in their order; the name is that from the folder on."""
    faults: list[str] = field(default_factory=list)
    flushed: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Size and time of the last change of each inode, when it was flushed."""
    unsettled: dict[int, str] = field(default_factory=dict)
    """The inodes of folders in which a new name is not flushed yet, and that name."""

    def install(self) -> None:
        """Record the calls of this process from now on."""
        self.known = {path.stat().st_ino: _state(path) for path in self.folder.rglob("*")}
        os.fsync = self._recording(os.fsync, self._on_fsync)  # type: ignore[assignment]
        for name in ("rename", "replace"):
            setattr(os, name, self._recording(getattr(os, name), self._on_rename))

    def at_end(self) -> list[str]:
        """The faults of a process that ends now."""
        return [
            *self.faults,
            *(f"the folder of {name} is not flushed" for name in self.unsettled.values()),
        ]

    @staticmethod
    def _recording(true: Callable[..., Any], record: Callable[..., None]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            record(*arguments)
            return true(*arguments, **more)

        return call

    def _on_fsync(self, file: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        if path.is_relative_to(self.folder):
            self.events.append(f"fsync {path.relative_to(self.folder)}")
            self.flushed[path.stat().st_ino] = _state(path)
            self.unsettled.pop(path.stat().st_ino, None)

    def _on_rename(self, old: Any, new: Any, *more: Any) -> None:
        old, new = Path(os.path.abspath(old)), Path(os.path.abspath(new))
        if not new.is_relative_to(self.folder):
            return
        name = str(new.relative_to(self.folder))
        self.events.append(f"rename {name}")
        if new.name.startswith(THROWN_AWAY):
            return
        self.faults += [
            f"{path.relative_to(self.folder)} becomes {name} and is not flushed"
            for path in self._in(old)
            if not self._is_flushed(path)
        ]
        self.unsettled[new.parent.stat().st_ino] = name

    @staticmethod
    def _in(path: Path) -> Iterator[Path]:
        yield path
        if path.is_dir():
            yield from path.rglob("*")

    def _is_flushed(self, path: Path) -> bool:
        inode = path.stat().st_ino
        if path.is_dir():
            # Its time changes with each name in it; a flush of the folder is in the record.
            return inode in self.flushed or inode in self.known
        return _state(path) in (self.flushed.get(inode), self.known.get(inode))


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
