"""The columns of a table: the settings for reading them, and the stored names of their labels."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mlx_finbert.data.label_names import Naming
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical, map_key

PARAMETERS = {
    "text": "text_column",
    "label": "label_column",
    "split": "split_column",
    "label_names": "labels",
    "label_map": "label_map",
    "drop_bad_rows": "drop_bad_rows",
    "encoding": "encoding",
    "delimiter": "delimiter",
    "header": "header",
    "revision": "data_revision",
}

OF_FORMS = ("encoding", "delimiter", "header")
"""The fields that apply only to files."""


@dataclass
class Columns:
    """How to read a table that is not one of the named sources."""

    text: str = "text"
    label: str = "label"
    split: str | None = None
    label_names: Sequence[str] | None = None
    label_map: Mapping[str, str] | None = None
    """The result of `read_label_map`."""
    drop_bad_rows: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    revision: str | None = None
    """The branch, tag or commit of a data set on the hub."""

    @property
    def options(self) -> ReadOptions:
        """The settings for the format of a file."""
        return ReadOptions(self.encoding, self.delimiter, self.header)

    def by_parameter(self) -> dict[str, str]:
        """Return the columns to read, by the parameters that name them."""
        columns = {PARAMETERS[name]: getattr(self, name) for name in ("text", "label", "split")}
        return {parameter: name for parameter, name in columns.items() if name}

    def require_unused(
        self, source: str, used: Collection[str] = (), parameter: str = "data"
    ) -> None:
        """Refuse a field that a source does not use.

        Args:
            source: The source's name, for messages.
            used: The fields that it uses.
            parameter: The caller's parameter for the source, for messages.
        """
        for field in fields(self):
            # Earlier versions recorded their default encoding with a run.
            usual = (field.default, "utf-8") if field.name == "encoding" else (field.default,)
            if field.name not in used and getattr(self, field.name) not in usual:
                is_off = getattr(self, field.name) is False
                given = PARAMETERS[field.name] + "=False" * is_off
                raise InputError(f"`{given}` has no effect on `{parameter}={source}`: remove it")


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
                f" {len(names) - 1}: correct the row, or name the integers with `label_map`"
            )
    if _are_renamed(names, columns):
        return labels
    return [None if label is None else names[label] for label in labels]


def labelled(rows: RawRows, name: str, columns: Columns, licence: str = "") -> LabelledTexts:
    """Check rows and name their labels as the user does, or else by the names that are stored.

    Args:
        rows: The rows that were read.
        name: The file or data set, for messages.
        columns: The user's settings.
        licence: The licence of the data.
    """
    names = columns.label_names or (None if columns.label_map else rows.class_names or None)
    return rows.labelled(
        name,
        Naming(names, columns.label_map),
        (columns.text, columns.label),
        licence,
        columns.drop_bad_rows,
    )


def _are_renamed(names: list[str], columns: Columns) -> bool:
    """Whether the user names the integers: no stored name is in `labels` or `label_map`."""
    if columns.label_map:
        return columns.label_map.keys().isdisjoint(map(map_key, names))
    given = {canonical(name) for name in columns.label_names or ()}
    return bool(given) and given.isdisjoint(map(canonical, names))
