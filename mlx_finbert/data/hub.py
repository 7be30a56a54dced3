"""Data sets of the Hugging Face hub, through `datasets`."""

from typing import Any

from mlx_finbert.data import fiqa, imdb
from mlx_finbert.data.columns import Columns
from mlx_finbert.data.texts import LabelledTexts, from_columns, split_of
from mlx_finbert.errors import InputError, first_line

HUB_COLUMNS = ("text", "label", "label_names")


def load_hub(
    repo_id: str, config: str | None, columns: Columns, licence: str = ""
) -> LabelledTexts:
    """A data set with a column of texts and a column of labels; its own splits are kept.

    Names of a `ClassLabel` column are used. Splits without labels (IMDB's `unsupervised`, GLUE's
    `test`) are left out, and so are splits of other names, unless there is only one.
    """
    parts = labelled_splits(open_dataset(repo_id, config), repo_id, columns)
    texts, labels, splits, where = [], [], [], []
    for split, rows in parts.items():
        texts += rows[columns.text]
        labels += named_labels(rows, columns)
        splits += [split] * len(rows)
        where += [f"{repo_id}, {split} row {i + 1}" for i in range(len(rows))]
    return from_columns(
        texts,
        labels,
        repo_id,
        (columns.text, columns.label),
        columns.label_names or class_names(next(iter(parts.values())), columns),
        splits if len(parts) > 1 else None,
        licence,
        where.__getitem__,
    )


def class_names(rows: Any, columns: Columns) -> list[str] | None:
    """The names of a `ClassLabel` column, in the order of its ids."""
    return getattr(rows.features[columns.label], "names", None)


def named_labels(rows: Any, columns: Columns) -> list[Any]:
    """The labels, by name where the column names its ids and `--labels` does not."""
    names, labels = class_names(rows, columns), rows[columns.label]
    if columns.label_names or not names:
        return list(labels)
    return [names[i] if isinstance(i, int) and 0 <= i < len(names) else None for i in labels]


def labelled_splits(found: dict[str, Any], repo_id: str, columns: Columns) -> dict[str, Any]:
    """The splits to use, under the names train, validation and test."""
    parts: dict[str, Any] = {}
    for name, rows in found.items():
        split = split_of(name)
        if (split or len(found) == 1) and has_labels(rows, columns):
            if split in parts:
                raise InputError(f"{repo_id} has two {split} splits: {', '.join(found)}")
            parts[split or "train"] = rows
    if not parts:
        splits = "; ".join(
            f"{name}: {', '.join(rows.column_names)}" for name, rows in found.items()
        )
        raise InputError(
            f"{repo_id} has no split with the columns {columns.text!r} and {columns.label!r}"
            f" (it has {splits}): name them with --text-column and --label-column"
        )
    return parts


def has_labels(rows: Any, columns: Columns) -> bool:
    """Whether both columns are there and any row has a label."""
    if not {columns.text, columns.label} <= set(rows.column_names):
        return False
    return any(label not in (None, -1) for label in rows[columns.label])


def load_imdb_from_hub() -> LabelledTexts:
    """IMDB as Stanford's NLP group publishes it."""
    columns = Columns(label_names=imdb.LABELS)
    return load_hub(imdb.HUB_REPOSITORY, None, columns, imdb.LICENCE)


def load_fiqa_from_hub() -> LabelledTexts:
    """FiQA's scored sentences, all splits together: some sentences stand in several."""
    found = open_dataset(fiqa.HUB_REPOSITORY, None)
    pairs = ((row["sentence"], float(row["score"])) for rows in found.values() for row in rows)
    return fiqa.from_scores(pairs, fiqa.HUB_REPOSITORY)


def open_dataset(repo_id: str, config: str | None) -> dict[str, Any]:
    """`datasets.load_dataset`, with its many exceptions told in one sentence."""
    import datasets

    try:
        return datasets.load_dataset(repo_id, config)
    except Exception as error:
        # It raises its own classes, the hub's, OSError, ValueError and RuntimeError.
        raise InputError(
            f"--data {repo_id}: neither a file or folder here nor a data set that the hub gave:"
            f" {first_line(error)}"
        ) from error
