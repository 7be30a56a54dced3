"""The user's own tables: one file, or a folder with one file a split."""

from collections.abc import Sequence
from pathlib import Path

from mlx_finbert.data.tables import READERS, read_rows, require_column
from mlx_finbert.data.texts import LabelledTexts, from_columns
from mlx_finbert.errors import InputError

SPLIT_FILES = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def load_file(
    path: Path,
    text_column: str = "text",
    label_column: str = "label",
    label_names: Sequence[str] | None = None,
    split_column: str | None = None,
    encoding: str = "utf-8",
) -> LabelledTexts:
    """A CSV, TSV, JSON lines or Parquet file with a column of texts and a column of labels."""
    flags = {text_column: "--text-column", label_column: "--label-column"}
    if split_column:
        flags[split_column] = "--split-column"
    values: dict[str, list] = {column: [] for column in flags}
    for row in read_rows(path, encoding):
        for column, flag in flags.items():
            require_column(row, column, path, flag)
            values[column].append(row[column])
    return from_columns(
        values[text_column],
        values[label_column],
        str(path),
        (text_column, label_column),
        label_names,
        values.get(split_column),
    )


def split_files(folder: Path) -> dict[str, Path]:
    """The files of a folder whose names tell a split: `train.csv`, `imdb-test.parquet`, ..."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in READERS or path.suffix == ".txt":
            continue
        words = path.stem.lower().replace("_", "-").replace(".", "-").split("-")
        for split, names in SPLIT_FILES.items():
            if set(words) & set(names):
                if split in found:
                    raise InputError(
                        f"{folder}: both {found[split].name} and {path.name} look like the {split}"
                        " split; keep one of them there"
                    )
                found[split] = path
    return {split: found[split] for split in SPLIT_FILES if split in found}


def load_folder(
    folder: Path,
    text_column: str,
    label_column: str,
    label_names: Sequence[str] | None,
    encoding: str,
) -> LabelledTexts:
    """A folder with a training file and, where they exist, a validation and a test file."""
    texts, labels, splits = [], [], []
    for split, path in split_files(folder).items():
        for row in read_rows(path, encoding):
            require_column(row, text_column, path, "--text-column")
            require_column(row, label_column, path, "--label-column")
            texts.append(row[text_column])
            labels.append(row[label_column])
            splits.append(split)
    columns = (text_column, label_column)
    return from_columns(texts, labels, str(folder), columns, label_names, splits)
