"""Data sets on the Hugging Face hub, read with `datasets`."""

from typing import Any

from mlx_finbert.data.sources.at_hand import part_of_table
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.parts import load_parts
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError, first_line

HUB_COLUMNS = "text", "label", "label_names", "label_map", "drop_bad_rows", "revision"


def load_hub(
    repo_id: str,
    config: str | None,
    columns: Columns,
    licence: str = "",
    parameter: str = "data",
) -> LabelledTexts:
    """Load a data set with a column of texts and a column of labels, and keep its splits.

    Names of a `ClassLabel` column are used. See `load_parts` for splits that are left out.
    """
    found = open_dataset(repo_id, config, columns.revision, parameter)
    parts = {name: part_of_table(rows) for name, rows in found.items()}
    return load_parts(parts, repo_id, columns, licence)


def open_dataset(
    repo_id: str, config: str | None, revision: str | None = None, parameter: str = "data"
) -> dict[str, Any]:
    """Call `datasets.load_dataset` and report any of its many exceptions in one sentence."""
    import datasets

    try:
        return datasets.load_dataset(repo_id, config, revision=revision)
    except Exception as error:
        # It raises its own classes, the hub's, OSError, ValueError and RuntimeError.
        raise InputError(
            f"`{parameter}={repo_id}` is not a file or folder here, and could not be loaded from"
            f" the hub: {first_line(error)}"
        ) from error
