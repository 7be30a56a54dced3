"""A table's rows in parts of fixed size, each written beside the output once it is scored.

So a run that was stopped goes on where it was, and several processes share the work: part i is that
of rank i modulo their number, and the joined output is the same whatever their number.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlx_finbert.atomic import write_text
from mlx_finbert.data.records import Row
from mlx_finbert.errors import InputError
from mlx_finbert.predict.columns import ScoredRow
from mlx_finbert.predict.manifest import Manifest, differences

PART_ROWS = 1024
"""Rows of a part: while one is scored the next is in memory too.

On Financial PhraseBank 16% of the positions computed are padding; with 4096 rows it would be 14%.
"""

MANIFEST = "manifest.json"


def in_parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows of each part."""
    rows = iter(rows)
    while part := list(islice(rows, PART_ROWS)):
        yield part


@dataclass
class Parts:
    """The folder of the parts of so many rows."""

    folder: Path
    rows: int

    @classmethod
    def of(cls, target: Path, rows: int) -> "Parts":
        """Those of an output: `scored.csv` and `scored.jsonl` both have `scored.parts`."""
        return cls(target.with_suffix(".parts"), rows)

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

    def missing(self) -> list[int]:
        """The numbers of the parts that are still to be scored."""
        return [number for number in range(len(self)) if not self.path(number).exists()]

    def claim(self, manifest: Manifest, overwrite: bool = False) -> None:
        """Take the folder for a run; parts of an earlier one with this manifest stay.

        Raises:
            InputError: where there are parts of another run, and not `overwrite`.
        """
        left = self._manifest()
        if left is None and self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(
                f"{self.folder} is needed for parts of the output and holds something else:"
                " move it away or name another --output"
            )
        if left is not None and left != manifest and any(self.folder.glob("part-*")):
            if not overwrite:
                raise InputError(
                    f"{self.folder} holds parts of another run ({differences(left, manifest)}):"
                    " repeat that run to go on, or add --overwrite-parts to begin anew"
                )
            self.remove()
        write_text(self.folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")

    def require(self, manifest: Manifest) -> None:
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
        if left != manifest:
            raise InputError(
                f"rank 0 was given other work than another rank ({differences(left, manifest)}):"
                " give all processes the same files and flags"
            )

    def write(self, number: int, rows: list[ScoredRow], num_long: int) -> None:
        """A whole part at once: a line with the number of long texts, then a line a row."""
        lines = [{"num_long": num_long}, *map(vars, rows)]
        write_text(self.path(number), "".join(json.dumps(line) + "\n" for line in lines))

    def read(self, number: int) -> tuple[list[ScoredRow], int]:
        """What `write` was given.

        Raises:
            InputError: where the part is missing or damaged.
        """
        path = self.path(number)
        try:
            first, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            if len(lines) != self.size(number):
                raise ValueError(f"{len(lines)} rows")
            return [ScoredRow(**line) for line in lines], first["num_long"]
        except FileNotFoundError:
            raise InputError(
                f"{path} is missing: --output must be on a disk that all processes share;"
                " run the command again to score what is missing"
            ) from None
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{path} is damaged: remove it and run the command again") from None

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _manifest(self) -> Manifest | None:
        try:
            return json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
