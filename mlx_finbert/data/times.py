"""The values of a column by which rows are sorted: ISO dates and times, or numbers."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from mlx_finbert.data.tables.records import require_column
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError, quoted

PARAMETER = "split_by_column"
YEAR_AND_MONTH = re.compile(r"\d{4}-\d{2}")

Key = int | float | datetime


def sort_keys(data: LabelledTexts, column: str, values: Sequence[Any]) -> Sequence[Key]:
    """Return a key of each value of a column, by which rows can be sorted and compared.

    All values must be numbers, or all ISO 8601 dates with or without a time. Those without a time
    are midnight, those without an offset are UTC. A column such as 20261127 holds numbers, in the
    order of its dates.

    Raises:
        InputError: If a value is neither; names its row.
    """
    numbers = [as_number(value) for value in values]
    if all(number is not None for number in numbers):
        return numbers  # type: ignore[return-value]
    dates = [as_date(value) for value in values]
    if all(date is not None for date in dates):
        return dates  # type: ignore[return-value]
    neither = [i for i in range(len(data)) if numbers[i] is None and dates[i] is None]
    if neither:
        raise InputError(f"{place(data, neither[0], column)} {fault_of(values[neither[0]])}")
    number = next(i for i, date in enumerate(dates) if date is None)
    date = next(i for i, found in enumerate(numbers) if found is None)
    raise InputError(
        f"{place(data, number, column)} is the number {values[number]}, but row"
        f" {data.numbers[date]} has the date {values[date]}: write all as dates, or all as"
        " numbers"
    )


def column_of(data: LabelledTexts, column: str) -> list[Any]:
    """Return the values of a column that is neither the texts' nor the labels'.

    Raises:
        InputError: If the data has no such column.
    """
    if data.others is None:
        raise InputError(
            f"`{PARAMETER}={column}`: {data.name} has no columns except texts and labels; leave it"
            " out"
        )
    return [
        require_column(row, column, f"{data.name}, row {number}", PARAMETER)
        for row, number in zip(data.others, data.numbers, strict=True)
    ]


def as_number(value: Any) -> int | float | None:
    """Read a finite number, which may be text; None if it is none."""
    text = str(value).strip()
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        # Python allows 1_000.
        return number if isfinite(number) and "_" not in text else None
    return None


def as_date(value: Any) -> datetime | None:
    """Read an ISO 8601 date, year and month alone included, or date and time; None if it is none.

    Without an offset it is in UTC.
    """
    text = str(value).strip()
    if YEAR_AND_MONTH.fullmatch(text):
        text += "-01"
    try:
        date = datetime.fromisoformat(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def place(data: LabelledTexts, row: int, column: str) -> str:
    """Return the place of a value: `news.csv, row 7, column 'date'`."""
    return f"{data.name}, row {data.numbers[row]}, column {column!r}"


def fault_of(value: Any) -> str:
    """Describe a value that is neither a date nor a number, and the remedy."""
    found = f"is {quoted(value)}" if value is not None and str(value).strip() else "is empty"
    return (
        f"{found}, which is neither an ISO date or time (2026-11-27, 2026-11-27T21:07:00) nor a"
        f" number: correct or remove the row, or choose another `{PARAMETER}`"
    )
