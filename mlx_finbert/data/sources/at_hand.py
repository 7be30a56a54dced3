"""Texts and labels that a Python program has at hand, instead of a path or a name.

They are `(texts, labels)`, a table with named columns (a data frame of pandas or polars, a
`datasets.Dataset`, an Arrow table, a dictionary of columns), or a dictionary of such tables by
split (a `datasets.DatasetDict`). None of these libraries is imported: an object is known by its
methods.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.parts import WHOLE, Part, load_parts
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.data.values import is_table, values_of
from mlx_finbert.errors import InputError

IN_MEMORY = "texts in memory"
"""The name of such data in messages, and how it begins in a run's `config.yaml`."""

OF_PAIRS = "label_names", "label_map", "drop_bad_rows"
OF_TABLES = "text", "label", "split", *OF_PAIRS


def is_at_hand(data: Any) -> bool:
    """Whether data is given as such, and not by a path or a name."""
    return not isinstance(data, str | os.PathLike)


def load_at_hand(data: Any, columns: Columns, parameter: str = "data") -> LabelledTexts:
    """Read texts and labels at hand.

    Args:
        data: See the module; or the result of `load_texts`.
        columns: The columns to read, and how to read labels.
        parameter: The caller's parameter for the data, for messages.

    Raises:
        InputError: If the data cannot be read; names the row and column, or the parameter.
    """
    if isinstance(data, LabelledTexts):
        columns.require_unused(IN_MEMORY, parameter=parameter)
        return data
    if isinstance(data, tuple) and len(data) == 2:
        columns.require_unused(IN_MEMORY, OF_PAIRS, parameter)
        return load_parts({WHOLE: part_of_pair(*data, parameter)}, IN_MEMORY, columns)
    if not isinstance(data, Mapping) or columns.text in data:
        columns.require_unused(IN_MEMORY, OF_TABLES, parameter)
        return load_parts({WHOLE: part_of_table(data, parameter)}, IN_MEMORY, columns)
    columns.require_unused(IN_MEMORY, [name for name in OF_TABLES if name != "split"], parameter)
    if any(not is_table(table) and not isinstance(table, Mapping) for table in data.values()):
        raise InputError(
            f"`{parameter}` has neither the column {columns.text!r} nor a table for each split; it"
            f" has {', '.join(map(str, data))}: name the column of the texts with `text_column`"
        )
    parts = {str(split): part_of_table(table, parameter) for split, table in data.items()}
    return load_parts(parts, IN_MEMORY, columns)


def part_of_pair(texts: Any, labels: Any, parameter: str) -> Part:
    """Return texts and labels as a table with the columns of `Columns`' defaults."""
    texts, labels = values_of(texts, f"{parameter}[0]"), values_of(labels, f"{parameter}[1]")
    if len(texts) != len(labels):
        raise InputError(
            f"`{parameter}` has {len(texts):,} texts and {len(labels):,} labels: give one label per"
            " text"
        )
    columns = {Columns.text: texts, Columns.label: labels}
    return Part(list(columns), len(texts), columns.__getitem__)


def part_of_table(table: Any, parameter: str = "data") -> Part:
    """Return a table with its columns.

    Raises:
        InputError: If the object is not a table, or its columns have different lengths.
    """
    if isinstance(table, Mapping):
        return part_of_columns(table, parameter)
    if not is_table(table) or not hasattr(table, "__len__"):
        raise InputError(
            f"`{parameter}` is a {type(table).__name__}: give a path or a name, (texts, labels),"
            " a data frame, a datasets.Dataset, or a dictionary of columns or of splits"
        )
    # Of the class, since a data frame also has its columns as attributes.
    own = table.column_names if hasattr(type(table), "column_names") else table.columns
    features = table.features if hasattr(type(table), "features") else None
    # A frame without a header has integers as names.
    names = {str(name): name for name in own}
    return Part(
        list(names),
        len(table),
        lambda column: values_of(table[names[column]], f"{parameter}[{column!r}]"),
        lambda column: features and getattr(features[column], "names", None),
        [n for n in names if features is None or getattr(features[n], "_type", "") == "Value"],
    )


def part_of_columns(columns: Mapping[Any, Any], parameter: str) -> Part:
    """Return a dictionary of columns as a table."""
    read = {
        str(name): values_of(column, f"{parameter}[{name!r}]") for name, column in columns.items()
    }
    lengths = {name: len(column) for name, column in read.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
        raise InputError(
            f"`{parameter}` has columns of different lengths ({counts}): make them equal"
        )
    return Part(list(read), max(lengths.values()), read.__getitem__, plain=list(read))


def name_at_hand(texts: LabelledTexts) -> str:
    """Return the name that a run records: the same for the same texts, labels and splits."""
    digest = hashlib.sha256()
    for i, text in enumerate(texts.texts):
        row = text, texts.label_names[texts.label_ids[i]], texts.splits[i] if texts.splits else ""
        # JSON can hold a lone surrogate, which has no valid UTF-8.
        digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return f"{IN_MEMORY} (sha256 {digest.hexdigest()[:12]})"


def name_of_texts(texts: Sequence[str]) -> str:
    """Return the name that a run records for texts without labels."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(repr(text).encode("utf-8", "surrogatepass"))
    return f"{IN_MEMORY} (sha256 {digest.hexdigest()[:12]})"


def refuse_recorded(spec: str, parameter: str = "data") -> None:
    """Refuse to load the data of a run that got it from a Python program.

    Args:
        spec: The recorded name.
        parameter: The parameter of the data, for the message.

    Raises:
        InputError: If the name is one of `name_at_hand`.
    """
    if spec.startswith(f"{IN_MEMORY} ("):
        raise InputError(
            f"`{parameter}={spec}`: a Python program gave these texts and the run did not keep"
            f" them; give them to the Python function again, or another place with `{parameter}`"
        )
