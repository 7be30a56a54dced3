"""The user's own tables: one file, or a folder with one file a split."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlx_finbert.data.class_labels import in_order, named, stored_names
from mlx_finbert.data.columns import Columns
from mlx_finbert.data.tables import READERS, read_rows, require_column
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts, from_columns, split_of
from mlx_finbert.errors import InputError


@dataclass
class RawRows:
    """The columns of one or more files, and where each row stands."""

    texts: list[Any] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    splits: list[Any] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    """Of the labels, where the file stores names for its integers."""
    where: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of the rows in their file, from 1."""
    others: list[dict[str, Any]] = field(default_factory=list)
    """The columns that are neither text nor label nor split."""
    faults: list[str] = field(default_factory=list)
    """A clause, with its place, on each row that could not be read."""

    def add(self, path: Path, columns: Columns, split: str | None = None) -> None:
        """Append a file's rows, all of one split or each with its own."""
        kept = len(self.labels)
        for number, row in enumerate(read_rows(path, columns.encoding), 1):
            where = f"{path}, row {number}"
            require_column(row, columns.text, where, "--text-column")
            require_column(row, columns.label, where, "--label-column")
            self.texts.append(row[columns.text])
            self.labels.append(row[columns.label])
            self.where.append(where)
            if columns.split:
                require_column(row, columns.split, where, "--split-column")
            self.splits.append(row[columns.split] if columns.split else split)
            self.numbers.append(number)
            used = columns.text, columns.label, columns.split
            self.others.append({name: row[name] for name in row if name not in used})
        names = stored_names(path, columns.label)
        column = f"{path}, column {columns.label!r}"
        self.labels[kept:] = named(self.labels[kept:], names, columns, column)
        self.class_names += [name for name in names or () if name not in self.class_names]

    def labelled(self, name: str, columns: Columns) -> LabelledTexts:
        """Checked, with integer labels."""
        return from_columns(
            self.texts,
            self.labels,
            name,
            (columns.text, columns.label),
            in_order(self.class_names or None, columns),
            self.splits if columns.split or any(self.splits) else None,
            where=self.where.__getitem__,
            numbers=self.numbers,
            others=self.others if any(self.others) else None,
            faults=self.faults,
            label_map=columns.label_map,
            drop_bad_rows=columns.drop_bad_rows,
        )


def load_file(path: Path, columns: Columns) -> LabelledTexts:
    """A CSV, TSV, JSON lines or Parquet file with a column of texts and a column of labels."""
    rows = RawRows()
    rows.add(path, columns)
    return rows.labelled(str(path), columns)


def load_folder(folder: Path, columns: Columns) -> LabelledTexts:
    """A folder with a training file and, where they exist, a validation and a test file."""
    rows = RawRows()
    for split, path in split_files(folder).items():
        rows.add(path, columns, split)
    return rows.labelled(str(folder), columns)


def split_files(folder: Path) -> dict[str, Path]:
    """The files of a folder whose names tell a split: `train.csv`, `imdb-test.parquet`, ..."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in READERS or path.suffix.lower() == ".txt":
            continue
        words = path.stem.lower().replace("_", "-").replace(".", "-").split("-")
        for split in sorted({split_of(word) for word in words} - {None}):
            if split in found:
                raise InputError(
                    f"{folder}: both {found[split].name} and {path.name} look like the {split}"
                    " split; keep one of them there"
                )
            found[split] = path
    return {split: found[split] for split in SPLIT_SPELLINGS if split in found}
