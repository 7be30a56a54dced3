"""Names that `datasets` stores for the integers of a `ClassLabel` column."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, map_key


def stored_names(features: Mapping[str, Any], column: str) -> list[str] | None:
    """The names of a `ClassLabel` column, in the order of its ids; None for another column.

    Args:
        features: what `datasets` has stored with a table, by column.
        column: of the labels.
    """
    feature = features.get(column)
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    return [str(name) for name in names] if isinstance(names, list) else None


def named(
    labels: Iterable[Any], names: list[str] | None, columns: Columns, where: str
) -> list[Any]:
    """Labels by name, where the column has names and the user does not name the integers.

    -1 is how `datasets` marks a row without a label.

    Args:
        labels: as they are stored.
        names: of 0, 1, 2, ...; None where there are none.
        columns: what the user says.
        where: what to call the column, for messages.

    Raises:
        InputError: for an integer that has no name.
    """
    labels = list(labels)
    if names is None or not all(label is None or type(label) is int for label in labels):
        return labels
    labels = [None if label == -1 else label for label in labels]
    for label in labels:
        if label is not None and not 0 <= label < len(names):
            raise InputError(
                f"{where} holds {label}, but the names stored with it are of 0 to {len(names) - 1}"
            )
    if _are_renamed(names, columns):
        return labels
    return [None if label is None else names[label] for label in labels]


def in_order(names: list[str] | None, columns: Columns) -> Sequence[str] | None:
    """The labels in the order that the user gives, or else that of the stored names."""
    return columns.label_names or (None if columns.label_map else names)


def _are_renamed(names: list[str], columns: Columns) -> bool:
    """Whether the user names the integers, as no name of `--labels` or `--label-map` is stored."""
    if columns.label_map:
        return columns.label_map.keys().isdisjoint(map(map_key, names))
    wished = {canonical(name) for name in columns.label_names or ()}
    return bool(wished) and wished.isdisjoint(map(canonical, names))
