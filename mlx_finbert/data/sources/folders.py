"""Folders with the files of a data set: one file, or several shards, per split."""

import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from mlx_finbert.data.tables import ENDINGS, LINES, ending_of
from mlx_finbert.data.tables.compressed import ENDINGS as PACKED
from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.data.texts import SPLIT_SPELLINGS, split_of
from mlx_finbert.errors import InputError

SHARD = re.compile(r"^(?P<name>.*[-.])(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>[-.].*)$")
"""The name of a shard, `train-00000-of-00002.parquet`.

Older data sets on the hub have a hash before the ending.
"""

DATA = "data"
"""The folder in which repositories on the hub keep their data files."""


def split_files(folder: Path, options: ReadOptions | None = None) -> dict[str, list[Path]]:
    """Find the files whose names contain a split: `train.csv`, `imdb-test.parquet` or shards.

    The files are in the folder itself or, if it has none, in its subfolder `data`.

    Args:
        folder: The folder to search.
        options: If they set a separator or a header, `.txt` files count as tables.

    Returns:
        The files of train, validation and test that exist, in this order.

    Raises:
        InputError: If a name contains two splits, two files have one split, or a shard is missing.
    """
    found = defaultdict(list)
    for path in tables_in(folder, options or ReadOptions()):
        if split := split_told(path):
            found[split].append(path)
    if not found and (folder / DATA).is_dir():
        return split_files(folder / DATA, options)
    for split, paths in found.items():
        require_one_table(paths, split, folder)
    return {split: found[split] for split in SPLIT_SPELLINGS if split in found}


def unused_tables(folder: Path, options: ReadOptions, used: Collection[Path]) -> list[str]:
    """Return the names of the tables in the folders of the used files that are not used."""
    folders = {folder, *(path.parent for path in used)}
    return [
        str(path.relative_to(folder))
        for parent in sorted(folders)
        for path in tables_in(parent, options)
        if path not in used
    ]


def tables_in(folder: Path, options: ReadOptions) -> list[Path]:
    """Return the files with the ending of a table, in order of name."""
    has_lines = options.delimiter is None and options.header is None
    endings = [ending for ending in ENDINGS if not (has_lines and ending in LINES)]
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and ending_in(path) in endings
    ]


def ending_in(path: Path) -> str:
    """Return the ending inside that of a compression; a zip counts as `.csv` until it is opened."""
    ending = path.suffix.lower()
    if ending == ".zip":
        return ".csv"
    return ending_of(path.stem if ending in PACKED else path.name)


def split_told(path: Path) -> str | None:
    """Return the split that a file's name contains; None if there is none.

    Raises:
        InputError: If the name contains two splits.
    """
    words = re.split(r"[-_.\s]+", path.name.lower())
    splits = sorted({split for word in words if (split := split_of(word))})
    if len(splits) > 1:
        raise InputError(f"{path}: its name contains two splits, {' and '.join(splits)}: rename it")
    return splits[0] if splits else None


def require_one_table(paths: list[Path], split: str, folder: Path) -> None:
    """Refuse files that are neither one table nor all shards of one table."""
    shards = [shard for path in paths if (shard := SHARD.match(path.name))]
    if len(shards) < len(paths):
        if len(paths) > 1:
            raise InputError(
                f"{folder}: both {paths[0].name} and {paths[1].name} look like the {split} split;"
                " keep only one of them there"
            )
        return
    kinds = {(shard["name"], shard["count"], Path(shard.string).suffix) for shard in shards}
    if len(kinds) > 1:
        raise InputError(
            f"{folder}: {paths[0].name} and {paths[-1].name} are shards of two tables, and both"
            f" look like the {split} split; keep only one table there"
        )
    have = [int(shard["number"]) for shard in shards]
    for number in range(int(shards[0]["count"])):
        if have.count(number) != 1:
            what = "there twice" if number in have else "missing"
            name = f"{shards[0]['name']}{number:05}-of-{shards[0]['count']}"
            raise InputError(
                f"{folder}: the shard {name} is {what}: download the {split} split again"
            )


def shards_beside(path: Path) -> int:
    """Return the number of shards of the table that a file belongs to; 1 for a whole table."""
    found = SHARD.match(path.name)
    return int(found["count"]) if found else 1
