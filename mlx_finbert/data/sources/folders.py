"""Folders with the files of a data set: one a split, or several shards of one."""

import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from mlx_finbert.data.tables import ENDINGS, LINES, ending_of
from mlx_finbert.data.tables.compressed import ENDINGS as PACKED
from mlx_finbert.data.tables.read_options import ReadOptions
from mlx_finbert.data.texts import SPLIT_SPELLINGS, split_of
from mlx_finbert.errors import InputError

SHARD = re.compile(r"^(?P<name>.*[-.])(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>[-.].*)$")
"""`train-00000-of-00002.parquet`, with a hash before the ending in older data sets of the hub."""

DATA = "data"
"""The folder in which repositories of the hub keep their files."""


def split_files(folder: Path, options: ReadOptions | None = None) -> dict[str, list[Path]]:
    """The files whose names tell a split: `train.csv`, `imdb-test.parquet`, all shards of one.

    They lie in the folder, or, where it has none, in its folder `data`.

    Args:
        folder: to look into.
        options: where they speak of columns, `.txt` files are tables too.

    Returns:
        The files of train, validation and test that exist, in this order.

    Raises:
        InputError: where a file tells two splits, two files tell one, or a shard is missing.
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
    """The names of the tables in the folder of some files that are not among these."""
    folders = {folder, *(path.parent for path in used)}
    return [
        str(path.relative_to(folder))
        for parent in sorted(folders)
        for path in tables_in(parent, options)
        if path not in used
    ]


def tables_in(folder: Path, options: ReadOptions) -> list[Path]:
    """The files that end as tables do, in order of name."""
    has_lines = options.delimiter is None and options.header is None
    endings = [ending for ending in ENDINGS if not (has_lines and ending in LINES)]
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and ending_in(path) in endings
    ]


def ending_in(path: Path) -> str:
    """The ending without that of a compression; what a zip holds shows once it is used."""
    ending = path.suffix.lower()
    if ending == ".zip":
        return ".csv"
    return ending_of(path.stem if ending in PACKED else path.name)


def split_told(path: Path) -> str | None:
    """The split that a word of a file's name tells.

    Raises:
        InputError: where it tells two.
    """
    words = re.split(r"[-_.\s]+", path.name.lower())
    splits = sorted({split for word in words if (split := split_of(word))})
    if len(splits) > 1:
        raise InputError(f"{path}: its name tells two splits, {' and '.join(splits)}: rename it")
    return splits[0] if splits else None


def require_one_table(paths: list[Path], split: str, folder: Path) -> None:
    """Refuse files that are not the shards of one table, all of them."""
    shards = [shard for path in paths if (shard := SHARD.match(path.name))]
    if len(shards) < len(paths):
        if len(paths) > 1:
            raise InputError(
                f"{folder}: both {paths[0].name} and {paths[1].name} look like the {split} split;"
                " keep one of them there"
            )
        return
    kinds = {(shard["name"], shard["count"], Path(shard.string).suffix) for shard in shards}
    if len(kinds) > 1:
        raise InputError(
            f"{folder}: {paths[0].name} and {paths[-1].name} are shards of two tables, and both"
            f" look like the {split} split; keep one of them there"
        )
    have = [int(shard["number"]) for shard in shards]
    for number in range(int(shards[0]["count"])):
        if have.count(number) != 1:
            what = "twice" if number in have else "missing"
            name = f"{shards[0]['name']}{number:05}-of-{shards[0]['count']}"
            raise InputError(f"{folder}: the shard {name} is {what}: fetch the {split} split again")


def shards_beside(path: Path) -> int:
    """How many shards a table has of which this file is one; 1 for a whole table."""
    found = SHARD.match(path.name)
    return int(found["count"]) if found else 1
