"""Columns as Python programs hold them: lists, arrays, series of pandas or polars, `datasets`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlx_finbert.errors import InputError

TO_LIST = ("to_list", "to_pylist", "tolist")
"""The methods of pandas and polars, of Arrow, and of NumPy; each returns Python's own values."""

MISSING = ("NAType", "NaTType")
"""The classes of pandas' missing values, apart from NaN."""


def is_table(values: Any) -> bool:
    """Whether an object has named columns: a data frame, an Arrow table or a `datasets.Dataset`."""
    # Of the class, since a data frame also has its columns as attributes.
    return hasattr(type(values), "columns") or hasattr(type(values), "column_names")


def values_of(column: Any, parameter: str) -> list[Any]:
    """Return a column as a list of plain values; a missing one is None.

    Args:
        column: A sequence, an array or a series; no string, table, set or generator.
        parameter: The parameter that the column comes from, for messages.

    Raises:
        InputError: If it is not a column.
    """
    kind = type(column).__name__
    if is_table(column):
        raise InputError(f"`{parameter}` is a {kind}: give one of its columns")
    method = next((name for name in TO_LIST if hasattr(column, name)), None)
    if method:
        found = getattr(column, method)()
    else:
        is_sequence = hasattr(column, "__len__") and hasattr(column, "__getitem__")
        is_other = isinstance(column, str | bytes | Mapping)
        found = list(column) if is_sequence and not is_other else None
    if not isinstance(found, list):
        raise InputError(
            f"`{parameter}` is a {kind}: give a list, a NumPy array or a column of a data frame"
        )
    return [plain(value) for value in found]


def plain(value: Any) -> Any:
    """Return Python's own value for NumPy's, and None for pandas' missing ones."""
    if isinstance(value, np.generic):
        return value.item()
    return None if type(value).__name__ in MISSING else value
