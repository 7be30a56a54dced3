"""Data sets on the Hugging Face hub, read with `datasets`."""

from typing import Any

from mlx_finbert.data.sources.columns import Columns, in_order, named
from mlx_finbert.data.texts import LabelledTexts, from_columns, split_of
from mlx_finbert.errors import InputError, first_line

HUB_COLUMNS = "text", "label", "label_names", "label_map", "drop_bad_rows"


def load_hub(
    repo_id: str, config: str | None, columns: Columns, licence: str = ""
) -> LabelledTexts:
    """Load a data set with a column of texts and a column of labels, and keep its splits.

    Names of a `ClassLabel` column are used. Splits without the two columns are left out (`test` in
    some data sets of GLUE). Splits with other names are also left out (IMDB's `unsupervised`),
    unless there is only one split. The notes name the splits that are left out.
    """
    found = open_dataset(repo_id, config)
    parts = usable_splits(found, repo_id, columns)
    texts: list[Any] = []
    labels: list[Any] = []
    splits: list[str] = []
    where: list[str] = []
    numbers: list[int] = []
    others: list[dict[str, Any]] = []
    names = None
    for split, rows in parts.items():
        texts += list(rows[columns.text])
        names = getattr(rows.features[columns.label], "names", None)
        column = f"{repo_id}, {split}, column {columns.label!r}"
        labels += named(rows[columns.label], names, columns, column)
        splits += [split] * len(rows)
        where += [f"{repo_id}, {split} row {i + 1}" for i in range(len(rows))]
        numbers += range(1, len(rows) + 1)
        others += other_columns(rows, columns)
    data = from_columns(
        texts,
        labels,
        repo_id,
        (columns.text, columns.label),
        in_order(names, columns),
        splits if len(parts) > 1 else None,
        licence,
        where.__getitem__,
        numbers,
        others if any(others) else None,
        label_map=columns.label_map,
        drop_bad_rows=columns.drop_bad_rows,
    )
    used = {id(rows) for rows in parts.values()}
    for name, rows in found.items():
        if id(rows) not in used:
            data.notes.append(f"{repo_id}: the {len(rows):,} rows of its split {name} are left out")
    return data


def usable_splits(found: dict[str, Any], repo_id: str, columns: Columns) -> dict[str, Any]:
    """Return the splits that have both columns, under the names train, validation and test."""
    parts: dict[str, Any] = {}
    for name, rows in found.items():
        split = split_of(name)
        if (split or len(found) == 1) and {columns.text, columns.label} <= set(rows.column_names):
            if split in parts:
                raise InputError(f"{repo_id} has two {split} splits: {', '.join(found)}")
            parts[split or "train"] = rows
    if not parts:
        splits = "; ".join(
            f"{name}: {', '.join(rows.column_names)}" for name, rows in found.items()
        )
        raise InputError(
            f"{repo_id} has no split with the columns {columns.text!r} and {columns.label!r}"
            f" (it has {splits}): name them with `text_column` and `label_column`"
        )
    return parts


def other_columns(rows: Any, columns: Columns) -> list[dict[str, Any]]:
    """Return the plain values of each row without text and label; no images, audio or lists."""
    import datasets

    names = [
        name
        for name, feature in rows.features.items()
        if isinstance(feature, datasets.Value) and name not in (columns.text, columns.label)
    ]
    return rows.select_columns(names).to_list() if names else [{} for _ in range(len(rows))]


def open_dataset(repo_id: str, config: str | None) -> dict[str, Any]:
    """Call `datasets.load_dataset` and report any of its many exceptions in one sentence."""
    import datasets

    try:
        return datasets.load_dataset(repo_id, config)
    except Exception as error:
        # It raises its own classes, the hub's, OSError, ValueError and RuntimeError.
        raise InputError(
            f"`data={repo_id}` is not a file or folder here, and could not be loaded from the hub:"
            f" {first_line(error)}"
        ) from error
