"""Texts without labels, streamed from files, folders and data sets on the hub."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mlx_finbert.data.sources import (
    NAMED,
    fiqa,
    hub,
    imdb,
    load_texts,
    looks_like_a_path,
    only_phrasebank,
    phrasebank,
    split_variant,
)
from mlx_finbert.data.sources.at_hand import refuse_recorded
from mlx_finbert.data.sources.columns import OF_FORMS, Columns
from mlx_finbert.data.sources.folders import DATA, ending_in
from mlx_finbert.data.tables import ENDINGS, LINES, open_table
from mlx_finbert.data.tables.records import MissingColumnError, missing_column, require_column
from mlx_finbert.data.tables.text_files import TEXT, TextLines
from mlx_finbert.data.texts import split_of
from mlx_finbert.errors import InputError, quoted
from mlx_finbert.files.paths import local_path

ROWS = 1024
"""Rows of a hub data set in memory at a time."""

MEASURED = ("validation", "test")
"""Splits that are not read, so that a classifier can be measured on them later."""

OF_TABLES = ("text", "drop_bad_rows")
OF_HUB = (*OF_TABLES, "revision")

Value = tuple[Any, Callable[[], str]]
"""The value of a row's text column, or an exception, and a function that names its place."""


@dataclass
class PlainTexts:
    """Texts that are read in order, as often as needed, a few at a time."""

    name: str
    """The name of the data in messages."""
    values: Callable[[], Iterator[Value]]
    """Starts a new reading of the rows, bad and empty ones included."""
    drop_bad_rows: bool = False
    notes: list[str] = field(default_factory=list)
    """Sentences about what is not read."""
    empty: int = 0
    """Rows without a text, in the last reading."""
    bad: list[str] = field(default_factory=list)
    """The first of the rows that were skipped in the last reading, with its fault."""
    num_bad: int = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the texts that are not empty.

        Raises:
            InputError: If a row cannot be read and `drop_bad_rows` is not set; names the row.
        """
        self.empty, self.num_bad, self.bad = 0, 0, []
        for value, where in self.values():
            if isinstance(value, str) and value.strip():
                yield value
            elif value is None or isinstance(value, str):
                self.empty += 1
            else:
                self._skip(value, where)

    def _skip(self, value: Any, where: Callable[[], str]) -> None:
        fault = (
            str(value)
            if isinstance(value, InputError)
            else f"{where()}: not a text ({quoted(value)})"
        )
        if not self.drop_bad_rows:
            if isinstance(value, MissingColumnError):
                raise value
            raise InputError(f"{fault}; correct it, or skip such rows with `drop_bad_rows=True`")
        self.num_bad += 1
        self.bad = self.bad or [fault]

    @property
    def skipped(self) -> list[str]:
        """Sentences about the rows that the last reading skipped."""
        notes = []
        if self.empty:
            notes.append(f"{self.name}: {self.empty:,} empty texts are skipped")
        if self.num_bad:
            notes.append(
                f"{self.name}: {self.num_bad:,} rows cannot be used and are skipped"
                f" (`drop_bad_rows=True`); the first: {self.bad[0]}"
            )
        return notes


def plain_texts(spec: str, columns: Columns | None = None, parameter: str = "data") -> PlainTexts:
    """Find texts without labels by name or path; labels that are there are not read.

    Args:
        spec: One of: the path of a text file with one text per line, of a CSV, TSV, JSON or Parquet
            file, or of a folder of such files; a name or path that `load_texts` knows; the id of a
            data set on the hub (`ID[:CONFIG]`). Of a source with splits, those for validation and
            testing are not read.
        columns: The column with the texts, the format of the files, and the revision on the hub.
        parameter: The parameter that gave the spec, for messages.

    Raises:
        InputError: If there is no such data; names the parameter.
    """
    columns = columns or Columns()
    refuse_recorded(spec, parameter)
    word, variant = split_variant(spec)
    path = local_path(word)
    if word == "imdb":
        columns.require_unused(word, ["revision"], parameter)
        return _from_hub(imdb.HUB_REPOSITORY, variant, columns, parameter)
    if word in NAMED or (path.exists() and (phrasebank.is_phrasebank(path) or _is_fiqa(path))):
        return _labelled(spec, columns, parameter)
    if path.exists():
        if variant is not None:
            raise only_phrasebank(spec, parameter)
        columns.require_unused(word, (*OF_TABLES, *OF_FORMS), parameter)
        return _from_path(path, columns, parameter)
    if looks_like_a_path(word):
        raise InputError(f"`{parameter}={word}`: there is no such file or folder")
    columns.require_unused(word, OF_HUB, parameter)
    return _from_hub(word, variant, columns, parameter)


def _is_fiqa(path: Path) -> bool:
    return path.is_dir() and fiqa.is_fiqa(path)


def _labelled(spec: str, columns: Columns, parameter: str) -> PlainTexts:
    """A source of `load_texts`, which is small: its training texts."""
    data = load_texts(spec, columns, parameter)
    texts = [
        text
        for i, text in enumerate(data.texts)
        if data.splits is None or data.splits[i] not in MEASURED
    ]
    where = partial(str, data.name)
    return PlainTexts(data.name, lambda: ((text, where) for text in texts))


def _from_path(path: Path, columns: Columns, parameter: str) -> PlainTexts:
    if not path.is_dir():
        return _from_files(str(path), [path], columns, [])
    files, notes = files_in(path)
    if not files:
        raise InputError(
            f"`{parameter}={path}`: the folder and its subfolders have no file with one of the"
            f" endings {', '.join(ENDINGS)}"
        )
    return _from_files(str(path), files, columns, notes)


def files_in(folder: Path) -> tuple[list[Path], list[str]]:
    """Find the files to read in a folder and its subfolders, in order of their paths.

    Returns:
        The text files; without any, the tables. And sentences about files that are not read.
    """
    if imdb.is_acl_imdb(folder):
        kinds = (folder / "train" / kind for kind in ("neg", "pos", "unsup"))
        return [file for kind in kinds for file in sorted(kind.glob("*.txt"))], []
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if ending_in(path) in ENDINGS and path.is_file() and not _is_hidden(path, folder)
    ]
    lines = [path for path in found if ending_in(path) in LINES]
    chosen, notes = lines or found, []
    if len(chosen) < len(found):
        notes.append(
            f"{folder}: {len(found) - len(chosen):,} tables are not read, since there are text"
            " files; give their own folder to read them"
        )
    kept = without_measured(chosen, folder)
    if len(kept) < len(chosen):
        notes.append(
            f"{folder}: {len(chosen) - len(kept):,} files of validation and test splits are not"
            " read"
        )
    return kept, notes


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def without_measured(paths: list[Path], folder: Path) -> list[Path]:
    """Leave out validation and test files where others are named as training files."""
    splits = {path: _splits_of(path.relative_to(folder)) for path in paths}
    if not any("train" in found for found in splits.values()):
        return paths
    return [path for path in paths if splits[path].isdisjoint(MEASURED)]


def _splits_of(path: Path) -> set[str]:
    """The splits in the names of a file and its folders: {"train"} for `data/train-1.txt`."""
    words = str(path).lower().replace("/", " ")
    for mark in "-_.":
        words = words.replace(mark, " ")
    return {split for word in words.split() if word != DATA and (split := split_of(word))}


def _from_files(name: str, paths: list[Path], columns: Columns, notes: list[str]) -> PlainTexts:
    # A first file that cannot be read, or lacks the column, is found before any work.
    first = open_table(paths[0], columns.options)
    first.require_columns({"text_column": _column(first, columns)})
    notes = [*notes, *first.notes] if isinstance(first, TextLines) else notes
    return PlainTexts(name, partial(_rows_of, paths, columns), columns.drop_bad_rows, notes)


def _column(table: Any, columns: Columns) -> str:
    """The column to read; a file of lines has one of its own, unless the user names another."""
    return TEXT if isinstance(table, TextLines) and columns.text == Columns.text else columns.text


def _rows_of(paths: list[Path], columns: Columns) -> Iterator[Value]:
    for path in paths:
        table = open_table(path, columns.options)
        column = _column(table, columns)
        table.require_columns({"text_column": column})
        for record in table.records():
            where = partial(record.where, path)
            if record.fault:
                yield InputError(f"{where()}: {record.fault}"), where
                continue
            try:
                yield require_column(record.values, column, str(path), "text_column"), where
            except MissingColumnError as error:
                yield error, where


def _from_hub(repo_id: str, config: str | None, columns: Columns, parameter: str) -> PlainTexts:
    found = hub.open_dataset(repo_id, config, columns.revision, parameter)
    used = {
        split: rows
        for split, rows in found.items()
        if columns.text in rows.column_names
        and (len(found) == 1 or split_of(split) not in MEASURED)
    }
    if not used:
        own = next(iter(found.values())).column_names
        raise missing_column(own, columns.text, repo_id, "text_column")
    notes = [
        f"{repo_id}: the {len(rows):,} rows of its split {split} are not read"
        for split, rows in found.items()
        if split not in used
    ]
    values = partial(_rows_of_hub, repo_id, used, columns.text)
    return PlainTexts(repo_id, values, columns.drop_bad_rows, notes)


def _rows_of_hub(repo_id: str, parts: dict[str, Any], column: str) -> Iterator[Value]:
    for split, rows in parts.items():
        for start in range(0, len(rows), ROWS):
            for i, value in enumerate(rows[start : start + ROWS][column], start + 1):
                yield value, partial("{}, {} row {}".format, repo_id, split, i)
