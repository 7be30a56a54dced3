"""A table's rows in parts of fixed size, each written beside the output once it is scored.

So a run that was stopped goes on where it was, and several processes share the work: part i is that
of rank i modulo their number, and the joined output is the same whatever their number.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from mlx_finbert.data.tables.records import Row
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import write_bytes, write_text
from mlx_finbert.files.folder_lock import claimed
from mlx_finbert.inference.manifest import Manifest, differences, manifest_sha256
from mlx_finbert.inference.scored_rows import ScoredRow

PART_ROWS = 1024
"""Rows of a part: while one is scored the next is in memory too.

On Financial PhraseBank 16% of the positions computed are padding; with 4096 rows it would be 14%.
"""

MANIFEST = "manifest.json"

OURS = re.compile(r"part-\d+\.jsonl|manifest\.json|\..*")
"""The files of the folder; hidden are the lock, and what a killed run has not finished."""


class DamagedPart(InputError):
    """A file is not the part that this run would have written."""


T = TypeVar("T")


def in_parts(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows of each part."""
    rows = iter(rows)
    while part := list(islice(rows, PART_ROWS)):
        yield part


def folder_of(target: Path) -> Path:
    """The folder of the parts of a file to write: `scored.csv.parts`."""
    return target.with_name(f"{target.name}.parts")


@contextmanager
def held(target: Path, flag: str) -> Iterator[None]:
    """Lock a file for writing: other runs that would write it are refused while the block runs.

    Raises:
        InputError: names the process that writes it, or what takes the folder's place.
    """
    folder = folder_of(target)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is needed as a folder for parts of {flag}: move it away")
    with claimed(folder, f"name another {flag}"):
        _remove_unfinished(target)
        yield
    # Where a run that was killed had made the folder.
    with suppress(OSError):
        folder.rmdir()


def _remove_unfinished(path: Path) -> None:
    """Remove what killed runs have left of writing a file; see `atomic.replaced`."""
    for left in path.parent.iterdir():
        if re.fullmatch(rf"\.{re.escape(path.name)}\.\w+\.part", left.name) and left.is_file():
            left.unlink()


@dataclass
class Left:
    """What earlier runs have left of the work."""

    whole: int
    """Parts that need not be scored."""
    damaged: int
    """Parts that have to be scored again."""


@dataclass
class Parts:
    """The folder of the parts of a table, for one manifest."""

    folder: Path
    rows: int
    manifest: Manifest

    def __len__(self) -> int:
        return -(-self.rows // PART_ROWS)

    def size(self, number: int) -> int:
        """The rows of one part."""
        return min(PART_ROWS, self.rows - number * PART_ROWS)

    def first_row(self, number: int) -> int:
        """The number of a part's first row, counted from 1 as in messages."""
        return number * PART_ROWS + 1

    def path(self, number: int) -> Path:
        return self.folder / f"part-{number:05}.jsonl"

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Those of these parts that are still to be scored; `claim` has removed damaged ones."""
        return [number for number in numbers if not self.path(number).exists()]

    def claim(self, overwrite: bool = False) -> Left:
        """Prepare the folder for a run; whole parts of an earlier one with this manifest stay.

        Raises:
            InputError: where there are parts of another run, and not `overwrite`.
        """
        for path in self.folder.iterdir():
            if not OURS.fullmatch(path.name):
                raise InputError(
                    f"{self.folder} is needed for parts of the output and holds something else"
                    f" ({path.name}): move it away or name another --output"
                )
        left = self._manifest()
        if left not in (None, self.manifest) and any(self.folder.glob("part-*")):
            if not overwrite:
                raise InputError(
                    f"{self.folder} holds parts of another run"
                    f" ({differences(left, self.manifest)}): repeat that run to go on, or add"
                    " --overwrite-parts to begin anew"
                )
            self.remove()
        write_text(self.folder / MANIFEST, json.dumps(self._sealed(), indent=2) + "\n")
        present = [number for number in range(len(self)) if self.path(number).exists()]
        damaged = [number for number in present if not self._is_whole(number)]
        for number in damaged:
            self.path(number).unlink()
        return Left(len(present) - len(damaged), len(damaged))

    def require(self) -> None:
        """Refuse to share the work with a rank 0 that was given other work.

        Raises:
            InputError: names what differs.
        """
        left = self._manifest()
        if left is None:
            raise InputError(
                f"{self.folder} was made by rank 0 and is not seen by another process:"
                " --output must be on a disk that all of them share"
            )
        if left != self.manifest:
            raise InputError(
                "rank 0 was given other work than another rank"
                f" ({differences(left, self.manifest)}): give all processes the same files and"
                " flags"
            )

    def write(self, number: int, rows: list[ScoredRow], num_long: int) -> None:
        """A whole part at once: the hash of the rest, a line on the part, and a line a row."""
        head = self._head(number) | {"num_long": num_long}
        rest = "".join(json.dumps(line) + "\n" for line in (head, *map(vars, rows))).encode()
        write_bytes(self.path(number), f"{hashlib.sha256(rest).hexdigest()}\n".encode() + rest)

    def read(self, number: int) -> tuple[list[ScoredRow], int]:
        """What `write` was given.

        Raises:
            DamagedPart: where the file holds anything else.
            InputError: where there is none.
        """
        try:
            head, *rows = map(json.loads, self._lines(number))
        except FileNotFoundError:
            raise InputError(
                f"{self.path(number)} is missing: --output must be on a disk that all processes"
                " share; run the command again to score what is missing"
            ) from None
        return [ScoredRow(**row) for row in rows], head["num_long"]

    def _is_whole(self, number: int) -> bool:
        try:
            return bool(self._lines(number))
        except DamagedPart:
            return False

    def _lines(self, number: int) -> list[bytes]:
        """The line on a part and those of its rows."""
        seal, _, rest = self.path(number).read_bytes().partition(b"\n")
        if seal == hashlib.sha256(rest).hexdigest().encode():
            lines = rest.splitlines()
            if self._head(number).items() <= json.loads(lines[0]).items():
                return lines
        raise DamagedPart(
            f"{self.path(number)} is damaged or of another run: run the same command again, which"
            " scores this part again"
        )

    def _head(self, number: int) -> Row:
        return {"part": number, "manifest": manifest_sha256(self.manifest)}

    def remove(self) -> None:
        """Remove the parts; the manifest goes last, so that any part left has one."""
        for path in [*self.folder.glob("part-*"), *self.folder.glob(".part-*")]:
            path.unlink()
        for path in [*self.folder.glob(f".{MANIFEST}*"), self.folder / MANIFEST]:
            path.unlink(missing_ok=True)

    def _sealed(self) -> Row:
        return {"sha256": manifest_sha256(self.manifest), "manifest": self.manifest}

    def _manifest(self) -> Manifest | None:
        """That of the parts in the folder; None where there is none, or a damaged one."""
        try:
            left = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            return left["manifest"] if left["sha256"] == manifest_sha256(left["manifest"]) else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
