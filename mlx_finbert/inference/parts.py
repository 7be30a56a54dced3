"""A table's rows in parts of fixed size, each written next to the output once it is scored.

This lets a stopped run continue, and several processes share the work: part i belongs to rank i
modulo the number of processes. The joined output does not depend on that number.
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
from mlx_finbert.files.atomic import remove_left, write_bytes, write_text
from mlx_finbert.files.folder_lock import claimed
from mlx_finbert.files.json_text import JsonFault, parse_json, read_json
from mlx_finbert.inference.manifest import Manifest, differences, manifest_sha256
from mlx_finbert.inference.scored_rows import ScoredRow

PART_ROWS = 1024
"""Rows per part. While one part is scored, the next is in memory too.

On Financial PhraseBank 16% of the positions computed are padding; with 4096 rows it would be 14%.
"""

SUFFIX = ".parts"

MANIFEST = "manifest.json"

OURS = re.compile(r"part-\d+\.jsonl|manifest\.json|\..*")
"""Names of our files in the folder; hidden files are the lock and unfinished files."""


class DamagedPart(InputError):
    """A file that is not the part that this run would have written."""


T = TypeVar("T")


def in_parts(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield the rows of each part."""
    rows = iter(rows)
    while part := list(islice(rows, PART_ROWS)):
        yield part


def folder_of(target: Path) -> Path:
    """The folder for the parts of an output file: `scored.csv.parts`."""
    return target.with_name(target.name + SUFFIX)


@contextmanager
def held(target: Path, parameter: str) -> Iterator[None]:
    """Lock a file for writing: inside the block, other runs that would write it are refused.

    Raises:
        InputError: names the process that writes the file, or the file in the folder's place.
    """
    folder = folder_of(target)
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is needed as a folder for the parts of `{parameter}`: move it away"
        )
    with claimed(folder, f"choose another `{parameter}`"):
        remove_left(target.parent, target.name)
        yield
    # `claimed` does not remove a folder that a killed run has created.
    with suppress(OSError):
        folder.rmdir()


@dataclass
class Left:
    """Parts that earlier runs have left."""

    whole: int
    """Parts that need not be scored again."""
    damaged: int
    """Parts that must be scored again."""


@dataclass
class Parts:
    """The folder with the parts of a table, for one manifest."""

    folder: Path
    rows: int
    manifest: Manifest

    def __len__(self) -> int:
        return -(-self.rows // PART_ROWS)

    def size(self, number: int) -> int:
        """The number of rows in a part."""
        return min(PART_ROWS, self.rows - number * PART_ROWS)

    def first_row(self, number: int) -> int:
        """The number of a part's first row; rows are counted from 1, as in messages."""
        return number * PART_ROWS + 1

    def path(self, number: int) -> Path:
        return self.folder / f"part-{number:05}.jsonl"

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """The given parts that are not yet scored; `claim` has removed damaged ones."""
        return [number for number in numbers if not self.path(number).exists()]

    def claim(self, overwrite: bool = False) -> Left:
        """Prepare the folder for a run; keep intact parts of an earlier run with this manifest.

        Raises:
            InputError: if there are parts of another run, unless `overwrite`.
        """
        for path in self.folder.iterdir():
            if not OURS.fullmatch(path.name):
                raise InputError(
                    f"{self.folder} is needed for parts of the output, but holds another file"
                    f" ({path.name}): move it away or choose another `output`"
                )
        left = self._manifest()
        if left not in (None, self.manifest) and any(self.folder.glob("part-*")):
            if not overwrite:
                raise InputError(
                    f"{self.folder} holds parts of another run"
                    f" ({differences(left, self.manifest)}): repeat that run to continue it, or"
                    " add `overwrite_parts=True` to start again"
                )
            self.remove()
        write_text(self.folder / MANIFEST, json.dumps(self._sealed(), indent=2) + "\n")
        present = [number for number in range(len(self)) if self.path(number).exists()]
        damaged = [number for number in present if not self._is_whole(number)]
        for number in damaged:
            self.path(number).unlink()
        return Left(len(present) - len(damaged), len(damaged))

    def require(self) -> None:
        """Refuse to share the work if rank 0 has a different job.

        Raises:
            InputError: names the differences.
        """
        left = self._manifest()
        if left is None:
            raise InputError(
                f"{self.folder} was created by rank 0, but another process does not see it:"
                " `output` must be on a disk that all processes share"
            )
        if left != self.manifest:
            raise InputError(
                "rank 0 and another rank have different jobs"
                f" ({differences(left, self.manifest)}): give all processes the same files and"
                " flags"
            )

    def write(self, number: int, rows: list[ScoredRow], num_long: int) -> None:
        """Write a part: a line with the hash of the rest, a header line, and a line per row."""
        head = self._head(number) | {"num_long": num_long}
        rest = "".join(json.dumps(line) + "\n" for line in (head, *map(vars, rows))).encode()
        write_bytes(self.path(number), f"{hashlib.sha256(rest).hexdigest()}\n".encode() + rest)

    def read(self, number: int) -> tuple[list[ScoredRow], int]:
        """Read the rows of a part and its number of long texts, as given to `write`.

        Raises:
            DamagedPart: if the file is damaged or another run's.
            InputError: if there is no such file.
        """
        try:
            head, *rows = map(parse_json, self._lines(number))
        except JsonFault:
            raise self._damaged(number) from None
        except FileNotFoundError:
            raise InputError(
                f"{self.path(number)} is missing: `output` must be on a disk that all processes"
                " share; run the command again to score the missing part"
            ) from None
        try:
            return [ScoredRow(**row) for row in rows], int(head["num_long"])
        except (LookupError, TypeError, ValueError):
            raise self._damaged(number) from None

    def _is_whole(self, number: int) -> bool:
        try:
            return bool(self._lines(number))
        except DamagedPart:
            return False

    def _lines(self, number: int) -> list[bytes]:
        """The header line of a part and the lines of its rows."""
        seal, _, rest = self.path(number).read_bytes().partition(b"\n")
        if seal == hashlib.sha256(rest).hexdigest().encode():
            lines = rest.splitlines()
            with suppress(LookupError, ValueError, AttributeError):
                if self._head(number).items() <= parse_json(lines[0]).items():
                    return lines
        raise self._damaged(number)

    def _damaged(self, number: int) -> DamagedPart:
        return DamagedPart(
            f"{self.path(number)} is damaged or belongs to another run: run the same command again"
            " to score this part again"
        )

    def _head(self, number: int) -> Row:
        return {"part": number, "manifest": manifest_sha256(self.manifest)}

    def remove(self) -> None:
        """Remove the parts; the manifest is removed last, so that no part is left without it."""
        for path in [*self.folder.glob("part-*"), *self.folder.glob(".part-*")]:
            path.unlink()
        for path in [*self.folder.glob(f".{MANIFEST}*"), self.folder / MANIFEST]:
            path.unlink(missing_ok=True)

    def _sealed(self) -> Row:
        return {"sha256": manifest_sha256(self.manifest), "manifest": self.manifest}

    def _manifest(self) -> Manifest | None:
        """The manifest of the parts in the folder; None if missing or damaged."""
        try:
            left = read_json(self.folder / MANIFEST)
            manifest = dict(left["manifest"])
            return manifest if left["sha256"] == manifest_sha256(manifest) else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
