"""Train on the past, test on the future."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.data.time_split import split_by_column
from mlx_finbert.errors import InputError
from mlx_finbert.training.config import TrainSettings

PARTS = ("train", "validation", "test")


def make(values, labels=None, **more):
    n = len(values)
    labels = np.arange(n) % 2 if labels is None else np.array(labels)
    texts = [f"Text {i}" for i in range(n)]
    others = [{"date": value} for value in values]
    return LabelledTexts(texts, labels, ["down", "up"], "news.csv", others=others, **more)


def values_of(splits):
    return [[row["date"] for row in splits.part(name).others] for name in PARTS]


def test_the_last_rows_are_test_rows_and_those_before_them_validation_rows():
    order = np.random.default_rng(0).permutation(100)
    days = [f"2026-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(100)]
    splits = split_by_column(make([days[i] for i in order]), "date")
    train, validation, test = map(sorted, values_of(splits))
    assert (train, validation, test) == (days[:72], days[72:80], days[80:])
    # The rows of a part are in the order of the source.
    for name in PARTS:
        numbers = splits.part(name).numbers
        assert numbers.tolist() == sorted(numbers)
    assert splits.notes[0] == "news.csv: 100 rows (down 50, up 50); 72 train, 8 validation, 20 test"
    assert splits.notes[1] == (
        f"sorted by date: validation rows begin at {days[72]}, test rows at {days[80]}"
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=6, max_size=60).filter(lambda v: len(set(v)) >= 3),
    st.floats(0.01, 0.99),
    st.floats(0.01, 0.99),
)
def test_no_value_is_in_two_parts_and_no_part_is_empty(values, test, validation):
    # Both labels at each value, so that no label is missing in the past.
    doubled = make([v for v in values for _ in range(2)])
    parts = values_of(split_by_column(doubled, "date", test, validation))
    assert all(parts) and sum(map(len, parts)) == 2 * len(values)
    assert max(parts[0]) < min(parts[1]) and max(parts[1]) < min(parts[2])


def test_the_sizes_are_the_nearest_that_whole_values_allow():
    values = [1] * 50 + [2] * 14 + [3] * 10 + [4] * 3 + [5] * 23
    assert [*map(len, values_of(split_by_column(make(values), "date")))] == [74, 3, 23]
    assert [*map(len, values_of(split_by_column(make(values), "date", 0.25)))] == [64, 10, 26]


def test_the_seed_has_no_effect():
    data = make(range(50))
    one, two = (SplitSettings(split_by_column="date", split_seed=s).draw(data) for s in (0, 1))
    assert values_of(one) == values_of(two) == values_of(split_by_column(data, "date"))


def test_later_rows_with_a_text_of_the_past():
    data = make(range(100))
    data.texts[75] = data.texts[3].upper()
    data.texts[90] = f" {data.texts[3]}"
    data.texts[91] = data.texts[78]
    splits = SplitSettings(split_by_column="date").draw(data)
    assert values_of(splits)[1] == [72, 73, 74, 76, 77, 78, 79]
    assert "1 validation row is not used, because a training row has the same text" in splits.notes
    used = SplitSettings(split_by_column="date").use(splits)
    assert values_of(used)[2] == [*range(80, 90), *range(92, 100)]
    assert any("2 of 20 rows were left out, because the model saw" in n for n in used.notes)
    counted = SplitSettings(split_by_column="date", include_seen=True).use(splits)
    assert values_of(counted)[2] == list(range(80, 100))


def test_conflicting_labels_are_told():
    data = make(range(20))
    data.texts[6] = data.texts[3]
    notes = split_by_column(data, "date").notes
    assert notes[-1].startswith("1 texts have conflicting labels (rows 4, 7)")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (make([1, 1, 2, 2]), r"^news.csv, column 'date' has 2 different values: training, valid"),
        (make([1] * 9), r"has 1 different value: "),
        (make(range(9), splits=["train"] * 5 + ["test"] * 4), r"has its own splits, which `split_"),
        (make(range(20), [0] * 16 + [1] * 4), r"training rows have only one label \(down\)"),
        (make(range(20), [0] * 20), r"training rows have only one label \(down\)"),
        (
            make([*range(19), "soon"]),
            r"news.csv, row 20, column 'date' is 'soon', which is neither",
        ),
    ],
)
def test_data_that_cannot_be_split_by_the_column(data, words):
    with pytest.raises(InputError, match=words):
        split_by_column(data, "date")


def test_a_label_of_the_future_alone():
    data = make(range(20))
    data.label_names.append("new")
    data.label_ids[18] = 2
    with pytest.raises(InputError, match="no training row is labelled new, but 1 of the test"):
        split_by_column(data, "date")


def test_validation_rows_that_all_repeat_the_past():
    data = make(range(20))
    data.texts[14:16] = data.texts[:2]
    with pytest.raises(InputError, match="all 2 validation rows repeat the text of a training row"):
        split_by_column(data, "date")


@pytest.mark.parametrize("other", [{"folds": 3}, {"folds": 3, "fold": 1}, {"split_column": "part"}])
def test_another_way_to_choose_test_rows_is_refused(other):
    name = next(iter(other))
    with pytest.raises(InputError, match=rf"^`split_by_column` and `{name}` both choose the test"):
        TrainSettings(split_by_column="date", **other)
