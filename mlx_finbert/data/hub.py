"""Data sets of the Hugging Face hub, through `datasets`."""

from typing import Any

from mlx_finbert.data import fiqa, imdb
from mlx_finbert.data.columns import Columns
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts, from_columns
from mlx_finbert.errors import InputError, first_line

HUB_COLUMNS = ("text", "label", "label_names")
UNLABELLED = {None, -1}


def load_hub(
    repo_id: str, config: str | None, columns: Columns, licence: str = ""
) -> LabelledTexts:
    """A data set with a column of texts and a column of labels; its own splits are kept.

    Names of a `ClassLabel` column are used. Splits without labels (IMDB's `unsupervised`, GLUE's
    `test`) are left out, and so are splits of other names, unless there is only one.
    """
    parts = labelled_splits(open_dataset(repo_id, config), repo_id, columns)
    texts, labels, splits, where = [], [], [], []
    label_names = columns.label_names
    for split, rows in parts.items():
        label_names = label_names or getattr(rows.features[columns.label], "names", None)
        texts += rows[columns.text]
        labels += rows[columns.label]
        splits += [split] * len(rows)
        where += [f"{repo_id}, {split} row {i + 1}" for i in range(len(rows))]
    return from_columns(
        texts,
        labels,
        repo_id,
        (columns.text, columns.label),
        label_names,
        splits if len(parts) > 1 else None,
        licence,
        where.__getitem__,
    )


def labelled_splits(found: dict[str, Any], repo_id: str, columns: Columns) -> dict[str, Any]:
    """The splits to use, under the names train, validation and test."""
    parts = {}
    for name, rows in found.items():
        for column, flag in ((columns.text, "--text-column"), (columns.label, "--label-column")):
            if column not in rows.column_names:
                raise InputError(
                    f"{repo_id} has no column {column!r}; its columns are"
                    f" {', '.join(rows.column_names)}: name one with {flag}"
                )
        split = next((s for s, names in SPLIT_SPELLINGS.items() if name in names), None)
        if (split or len(found) == 1) and not set(rows[columns.label]) <= UNLABELLED:
            parts[split or "train"] = rows
    if "train" not in parts:
        raise InputError(f"{repo_id} has no labelled training rows; its splits: {', '.join(found)}")
    return parts


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
