"""The user's own tables: one file, or a folder with one file per split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import PARAMETERS, Columns, labelled, named, stored_names
from mlx_finbert.data.sources.folders import shards_beside, split_files, unused_tables
from mlx_finbert.data.tables import open_table
from mlx_finbert.data.tables.records import (
    MissingColumnError,
    Record,
    UnreadableValueError,
    has_column,
    require_column,
)
from mlx_finbert.data.tables.text_files import TextLines
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError


def add_files(
    rows: RawRows, paths: Sequence[Path], columns: Columns, split: str | None = None
) -> None:
    """Append the rows of a file or of all its shards.

    Args:
        rows: The rows of the files before.
        paths: The file or its shards.
        columns: The columns to read.
        split: The split of all rows; None takes it from the split column, if one is given.
    """
    before = 0
    for path in paths:
        before += _add_file(rows, path, columns, split, before)


def _add_file(rows: RawRows, path: Path, columns: Columns, split: str | None, before: int) -> int:
    """Append the rows of a file; return their number, with those that could not be read.

    Args:
        rows: The rows of the files before.
        path: The file.
        columns: The columns to read.
        split: See `add_files`.
        before: The number of rows in the shards before.
    """
    table = open_table(path, columns.options)
    if isinstance(table, TextLines):
        raise InputError(
            f"{path}: a .txt file is read as one text per line without labels; if its lines have"
            " columns, give their separator, for example `delimiter=tab`, and add `header=False`"
            " if the first line is a row"
        )
    wanted = columns.by_parameter()
    # Published test files often have no label column; their rows count as unlabelled.
    if split == "test" and not any(
        has_column(record.values, columns.label) for record in table.records()
    ):
        del wanted[PARAMETERS["label"]]
    table.require_columns(wanted)
    count, kept, missing = 0, len(rows.texts), None
    for record in table.records():
        count += 1
        where = record.where(path)
        record.number += before
        try:
            _add_record(rows, record, where, columns, split, wanted)
        except MissingColumnError as error:
            missing = missing or error
            rows.faults.append(str(error))
        except UnreadableValueError as error:
            rows.faults.append(str(error))
    if missing and kept == len(rows.texts):
        raise missing
    rows.notes += table.notes
    names = stored_names(table.features, columns.label)
    column = f"{path}, column {columns.label!r}"
    rows.labels[kept:] = named(rows.labels[kept:], names, columns, column)
    rows.add_class_names(names)
    return count


def _add_record(
    rows: RawRows,
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
        rows.faults.append(f"{where}: {record.fault}")
        return
    values = {
        name: require_column(record.values, name, where, parameter)
        for parameter, name in wanted.items()
    }
    rows.texts.append(values[columns.text])
    rows.labels.append(values.get(columns.label))
    if columns.split:
        rows.splits.append(values[columns.split])
    elif split:
        rows.splits.append(split)
    rows.where.append(where)
    rows.numbers.append(record.number)
    rows.others.append({n: v for n, v in record.values.items() if n not in values})


def load_file(path: Path, columns: Columns) -> LabelledTexts:
    """Load a table with a column of texts and a column of labels."""
    rows = RawRows()
    add_files(rows, [path], columns)
    if (count := shards_beside(path)) > 1:
        rows.notes.append(f"{path} is one of {count} shards: give its folder to read all of them")
    return labelled(rows, str(path), columns)


def load_folder(folder: Path, columns: Columns) -> LabelledTexts:
    """Load a folder with a training file and, if they exist, a validation and a test file."""
    rows, found = RawRows(), split_files(folder, columns.options)
    for split, paths in found.items():
        add_files(rows, paths, columns, split)
    used = [path for paths in found.values() for path in paths]
    if unused := unused_tables(folder, columns.options, used):
        rows.notes.append(
            f"{folder}: {', '.join(unused)} {'is' if len(unused) == 1 else 'are'} not used:"
            f" the splits are read from {', '.join(path.name for path in used[:10])}"
        )
    return labelled(rows, str(folder), columns)
