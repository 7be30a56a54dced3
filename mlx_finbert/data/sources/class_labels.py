"""The names that `datasets` stores for the integers of a `ClassLabel` column."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, map_key


def stored_names(features: Mapping[str, Any], column: str) -> list[str] | None:
    """Return the names of a `ClassLabel` column, in the order of the ids; None for other columns.

    Args:
        features: The information that `datasets` has stored about each column.
        column: The name of the label column.
    """
    feature = features.get(column)
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    return [str(name) for name in names] if isinstance(names, list) else None


def named(
    labels: Iterable[Any], names: list[str] | None, columns: Columns, where: str
) -> list[Any]:
    """Replace integers with their stored names, unless the user names the integers.

    `datasets` marks a row without a label with -1.

    Args:
        labels: The labels as stored.
        names: The names of 0, 1, 2, ...; None if there are none.
        columns: The user's settings.
        where: The name of the column in messages.

    Raises:
        InputError: If an integer has no name.
    """
    labels = list(labels)
    if names is None or not all(label is None or type(label) is int for label in labels):
        return labels
    labels = [None if label == -1 else label for label in labels]
    for label in labels:
        if label is not None and not 0 <= label < len(names):
            raise InputError(
                f"{where} contains {label}, but its file stores names only for 0 to"
                f" {len(names) - 1}: correct the row, or name the integers with --label-map"
            )
    if _are_renamed(names, columns):
        return labels
    return [None if label is None else names[label] for label in labels]


def in_order(names: list[str] | None, columns: Columns) -> Sequence[str] | None:
    """Return the label names in the user's order, or else in the order of the stored names."""
    return columns.label_names or (None if columns.label_map else names)


def _are_renamed(names: list[str], columns: Columns) -> bool:
    """Whether the user names the integers: no stored name is in `--labels` or `--label-map`."""
    if columns.label_map:
        return columns.label_map.keys().isdisjoint(map(map_key, names))
    given = {canonical(name) for name in columns.label_names or ()}
    return bool(given) and given.isdisjoint(map(canonical, names))
