"""The user's own tables: one file, or a folder with one file per split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlx_finbert.data.sources.columns import PARAMETERS, Columns, in_order, named, stored_names
from mlx_finbert.data.sources.folders import shards_beside, split_files, unused_tables
from mlx_finbert.data.tables import open_table
from mlx_finbert.data.tables.records import MissingColumnError, Record, has_column, require_column
from mlx_finbert.data.tables.text_files import TextLines
from mlx_finbert.data.texts import LabelledTexts, from_columns
from mlx_finbert.errors import InputError


@dataclass
class RawRows:
    """The columns of one or more files, with the place of each row."""

    texts: list[Any] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    splits: list[Any] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    """The label names, if the file stores names for its integers."""
    where: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """The row numbers in the file, from 1; they continue across the shards of a split."""
    others: list[dict[str, Any]] = field(default_factory=list)
    """The columns except text, label and split."""
    faults: list[str] = field(default_factory=list)
    """A clause with place and fault for each row that could not be read."""
    notes: list[str] = field(default_factory=list)
    """Sentences about findings while reading."""

    def add(self, paths: Sequence[Path], columns: Columns, split: str | None = None) -> None:
        """Append the rows of a file or of all its shards.

        Args:
            paths: The file or its shards.
            columns: The columns to read.
            split: The split of all rows; None takes it from the split column, if one is given.
        """
        before = 0
        for path in paths:
            table = open_table(path, columns.options)
            if isinstance(table, TextLines):
                raise InputError(
                    f"{path}: a .txt file is read as one text per line without labels; if its"
                    " lines have columns, give their separator, for example `delimiter=tab`, and"
                    " add `header=False` if the first line is a row"
                )
            wanted = columns.by_parameter()
            # Published test files often have no label column; their rows count as unlabelled.
            if split == "test" and not any(
                has_column(record.values, columns.label) for record in table.records()
            ):
                del wanted[PARAMETERS["label"]]
            table.require_columns(wanted)
            count, kept = 0, len(self.texts)
            missing = None
            for record in table.records():
                count += 1
                where = record.where(path)
                record.number += before
                try:
                    self._append(record, where, columns, split, wanted)
                except MissingColumnError as error:
                    missing = missing or error
                    self.faults.append(str(error))
            if missing and kept == len(self.texts):
                raise missing
            before += count
            self.notes += table.notes
            self._name_labels(kept, stored_names(table.features, columns.label), path, columns)

    def _append(
        self,
        record: Record,
        where: str,
        columns: Columns,
        split: str | None,
        wanted: Mapping[str, str],
    ) -> None:
        """Append one row, or its fault.

        Raises:
            MissingColumnError: If the row lacks a column.
        """
        if record.fault:
            self.faults.append(f"{where}: {record.fault}")
            return
        values = {
            name: require_column(record.values, name, where, parameter)
            for parameter, name in wanted.items()
        }
        self.texts.append(values[columns.text])
        self.labels.append(values.get(columns.label))
        self.splits.append(values[columns.split] if columns.split else split)
        self.where.append(where)
        self.numbers.append(record.number)
        self.others.append({n: v for n, v in record.values.items() if n not in values})

    def _name_labels(
        self, start: int, names: list[str] | None, path: Path, columns: Columns
    ) -> None:
        """Replace the integer labels from row `start` on with the names that their file stores."""
        column = f"{path}, column {columns.label!r}"
        self.labels[start:] = named(self.labels[start:], names, columns, column)
        self.class_names += [name for name in names or () if name not in self.class_names]

    def labelled(self, name: str, columns: Columns) -> LabelledTexts:
        """Check the rows and convert them to labelled texts."""
        texts = from_columns(
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
        texts.notes[:0] = self.notes
        return texts


def load_file(path: Path, columns: Columns) -> LabelledTexts:
    """Load a table with a column of texts and a column of labels."""
    rows = RawRows()
    rows.add([path], columns)
    if (count := shards_beside(path)) > 1:
        rows.notes.append(f"{path} is one of {count} shards: give its folder to read all of them")
    return rows.labelled(str(path), columns)


def load_folder(folder: Path, columns: Columns) -> LabelledTexts:
    """Load a folder with a training file and, if they exist, a validation and a test file."""
    rows, found = RawRows(), split_files(folder, columns.options)
    for split, paths in found.items():
        rows.add(paths, columns, split)
    used = [path for paths in found.values() for path in paths]
    if unused := unused_tables(folder, columns.options, used):
        rows.notes.append(
            f"{folder}: {', '.join(unused)} {'is' if len(unused) == 1 else 'are'} not used:"
            f" the splits are read from {', '.join(path.name for path in used[:10])}"
        )
    return rows.labelled(str(folder), columns)
