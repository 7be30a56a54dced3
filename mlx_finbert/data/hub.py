"""Data sets of the Hugging Face hub, through `datasets`."""

from collections.abc import Sequence
from typing import Any

from mlx_finbert.data import fiqa, imdb
from mlx_finbert.data.texts import LabelledTexts, from_columns
from mlx_finbert.errors import InputError

SPLITS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


def load_hub(
    repo_id: str,
    config: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    label_names: Sequence[str] | None = None,
    licence: str = "",
) -> LabelledTexts:
    """A data set with a column of texts and a column of labels; its own splits are kept.

    Names of a `ClassLabel` column are used; splits without labels (IMDB's `unsupervised`) are not.
    """
    found = open_dataset(repo_id, config)
    texts, labels, splits = [], [], []
    for split, rows in found.items():
        if split not in SPLITS:
            continue
        for column, flag in ((text_column, "--text-column"), (label_column, "--label-column")):
            if column not in rows.column_names:
                raise InputError(
                    f"{repo_id} has no column {column!r}; its columns are"
                    f" {', '.join(rows.column_names)}: name one with {flag}"
                )
        names = getattr(rows.features[label_column], "names", None)
        label_names = label_names or names
        texts += rows[text_column]
        labels += rows[label_column]
        splits += [SPLITS[split]] * len(rows)
    only_train = set(splits) == {"train"}
    return from_columns(
        texts,
        labels,
        repo_id,
        (text_column, label_column),
        label_names,
        None if only_train else splits,
        licence,
    )


def load_imdb_from_hub() -> LabelledTexts:
    return load_hub(imdb.HUB_REPOSITORY, label_names=imdb.LABELS, licence=imdb.LICENCE)


def load_fiqa_from_hub() -> LabelledTexts:
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
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(
            f"--data {repo_id}: neither a file or folder here nor a data set that the hub gave:"
            f" {reason}"
        ) from error
