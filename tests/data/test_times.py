"""Values by which rows are sorted: ISO dates and times, numbers, and what is neither."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.times import column_of, sort_keys
from mlx_finbert.errors import InputError


def table(values):
    others = [{"id": i, "date": value} for i, value in enumerate(values)]
    return LabelledTexts(
        [f"Text {i}" for i in range(len(values))],
        np.arange(len(values), dtype=np.int32) % 2,
        ["down", "up"],
        "news.csv",
        numbers=np.arange(len(values)) + 11,
        others=others,
    )


def keys(*values):
    data = table(values)
    return list(sort_keys(data, "date", column_of(data, "date")))


@pytest.mark.parametrize(
    "ascending",
    [
        ("-3", "2.5", "10", "1e3", "20261127"),
        (-3, 2.5, 10, np.int64(11), np.float32(12.5), Decimal("12.75"), 10**18, 10**18 + 1),
        ("2025-12", "2026-01-05", "2026-01-05T09:00", "2026-01-05 09:00:00.5", "20260106"),
        (
            "2026-01-05T01:00:00+02:00", "2026-01-05", "2026-01-05T00:00:01Z",
            "2026-01-05T00:00:02", "2026-01-04T23:00:00-05:00",
        ),
        (
            date(2026, 1, 5), datetime(2026, 1, 5, 9), datetime(2026, 1, 5, 10, tzinfo=UTC),
            np.datetime64("2026-01-05T11:00:00.000000001"),
        ),
        (" 2026-W01-1 ", "2026-02-28", "2026-03-01"),
    ],
)  # fmt: skip
def test_the_order_of_values(ascending):
    found = keys(*ascending)
    assert all(a < b for a, b in pairwise(found))


def test_equal_values_however_they_are_written():
    assert len({*keys("2026-01-05", "2026-01-05T00:00:00Z", "2026-01-05T02:00+02:00")}) == 1
    assert len({*keys("7", "7.0", 7)}) == 1


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("soon", "is 'soon'"), ("05/01/2026", "is '05/01/2026'"), ("2026-02-30", "is '2026-02-30'"),
        ("", "is empty"), ("  ", "is empty"), (None, "is empty"), (float("nan"), "is empty"),
        (r"\N", "is empty"), ("nan", "is 'nan'"), ("inf", "is 'inf'"), ("1_000", "is '1_000'"),
        (True, "is True"), ([2026], r"is \[2026\]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("other", ["2026-01-05", "5"])
def test_what_is_neither_a_date_nor_a_number_names_its_row(value, found, other):
    words = rf"^news\.csv, row 12, column 'date' {found}, which is neither an ISO date .* nor a"
    with pytest.raises(InputError, match=rf"{words} number: .*`split_by_column`$"):
        keys(other, value, other, "later")


def test_dates_and_numbers_in_one_column_name_a_row_of_each():
    words = r"row 13, column 'date' is the number 5, but row 11 has the date 2026-01-05: write all"
    with pytest.raises(InputError, match=words):
        keys("2026-01-05", "20260106", 5)


def test_a_column_that_is_not_there():
    data = table([1, 2])
    with pytest.raises(InputError, match=r"row 11 has no column 'day'; its columns are 'id', 'da"):
        column_of(data, "day")
    data.others = None
    with pytest.raises(InputError, match=r"^`split_by_column=date`: news.csv has no columns exc"):
        column_of(data, "date")


def test_a_column_inside_an_object():
    data = table([{"day": "2026-01-05"}, {"day": "2026-01-06"}])
    assert column_of(data, "date.day") == ["2026-01-05", "2026-01-06"]
