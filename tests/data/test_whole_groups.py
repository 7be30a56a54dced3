"""Near duplicates in a random split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data import LabelledTexts, load_texts, make_splits
from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.data.near_duplicates import near_duplicates
from mlx_finbert.data.text_hashes import chances, group_alike
from mlx_finbert.data.whole_groups import FEW, MOST, whole_groups
from mlx_finbert.errors import InputError

PARTS = ("train", "validation", "test")


def word(number):
    """Return a word without digits, which the search for near duplicates would mask."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def make(sizes, labels=None):
    """Make a group of near duplicates of each size; those of size 1 have none."""
    texts = [
        f"{word(group)} {word(group * 7 + 1)} rose by {row} %"
        for group, size in enumerate(sizes)
        for row in range(size)
    ]
    label_of = np.arange(len(sizes)) % 2 if labels is None else np.array(labels)
    return LabelledTexts(texts, np.repeat(label_of, sizes).astype(np.int32), ["a", "b"], "made")


def parts_of(data, **more):
    """Return the part of each row."""
    splits = make_splits(data, **more)
    of = {text: name for name in PARTS for text in getattr(splits.part(name), "texts", [])}
    return np.array([of[text] for text in data.texts])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([1, 1, 1, 2, 3, 4]), min_size=60, max_size=120), st.integers(0, 99))
def test_near_duplicates_are_in_one_part(sizes, seed):
    data = make(sizes)
    side = parts_of(data, split_seed=seed)
    for group in np.unique(groups := near_duplicates(data.texts)):
        assert len(set(side[groups == group])) == 1
    assert len(np.unique(groups)) == len(sizes)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.6), st.floats(0.05, 0.6))
def test_without_near_duplicates_the_rows_are_those_of_before(seed, test, validation):
    data = make([1] * 90)
    together, apart = (
        parts_of(
            data, split_seed=seed, test_fraction=test, validation_fraction=validation,
            near_duplicates=how,
        )
        for how in ("together", "apart")
    )  # fmt: skip
    assert (together == apart).all()


def test_rows_of_a_seed_are_those_of_earlier_versions():
    """Figures that were measured on them hold: the rule is spelt out here."""
    data = make([1] * 400)
    test = chances(data.texts, "test", 3) < 0.2
    validation = ~test & (chances(data.texts, "validation", 3) < 0.1)
    expected = np.where(test, "test", np.where(validation, "validation", "train"))
    assert (parts_of(data, split_seed=3) == expected).all()


def test_a_row_without_near_duplicates_does_not_move():
    data = make([1] * 200 + [3] * 60)
    moved = parts_of(data) != parts_of(data, near_duplicates="apart")
    assert moved[200:].any() and not moved[:200].any()


def test_groups_keep_the_shares():
    """A group's random number is that of any of its texts, not the lowest of them."""
    data = make([4] * 2000)
    side = parts_of(data, test_fraction=0.3, validation_fraction=0.2)
    shares = [np.mean(side == name) for name in ("test", "validation")]
    # Four standard deviations of a draw of 2,000 groups.
    assert shares == pytest.approx([0.3, 0.14], abs=0.041)


def test_groups_do_not_depend_on_the_order_of_the_rows():
    data = make([1] * 50 + [2, 3, 4] * 20)
    order = np.random.default_rng(0).permutation(len(data))
    assert (parts_of(data)[order] == parts_of(data.take(order, "shuffled"))).all()


def test_the_note_counts_rows_groups_and_moves():
    data = make([1] * 100 + [3] * 40)
    moved = np.count_nonzero(parts_of(data) != parts_of(data, near_duplicates="apart"))
    (note,) = (note for note in make_splits(data).notes if "near duplicates" in note)
    assert note.startswith("120 rows have near duplicates, in 40 groups;")
    assert f"which moved {moved} rows (`split_near_duplicates=apart` " in note
    for quiet in (make_splits(data, near_duplicates="apart"), make_splits(make([1] * 100))):
        assert not any("near duplicates" in note for note in quiet.notes)


def test_a_group_that_would_decide_the_sizes_is_drawn_text_by_text():
    data = make([1] * 100 + [30])
    assert max(FEW, MOST * len(data)) < 30
    assert (parts_of(data) == parts_of(data, near_duplicates="apart")).all()
    (note,) = (note for note in make_splits(data).notes if "near duplicates" in note)
    assert note.startswith(
        "30 rows are in groups of near duplicates too large for one part (over 5%"
    )


def test_a_label_that_is_one_group_is_drawn_text_by_text():
    data = make([1] * 60 + [4], labels=[0] * 60 + [1])
    splits = make_splits(data)
    assert all(set(splits.part(name).label_ids) == {0, 1} for name in PARTS)
    assert any(note.startswith("4 rows are in groups") for note in splits.notes)


def test_equal_texts_stay_together_where_a_group_is_divided():
    data = make([1] * 60 + [30])
    data = LabelledTexts(
        [*data.texts, *(text.upper() for text in data.texts)],
        np.tile(data.label_ids, 2), data.label_names, "doubled",
    )  # fmt: skip
    alike, groups = group_alike(data.texts), whole_groups(data.texts, data.label_ids, 0)
    assert (groups.numbers == alike).all() and groups.apart == 60


def test_splits_of_the_source_stay_as_they_are():
    data = make([4] * 30)
    data.splits = (["train"] * 3 + ["test"]) * 30
    splits = make_splits(data)
    assert splits.test.texts == data.texts[3::4]
    assert splits.validation.texts == make_splits(data, near_duplicates="apart").validation.texts


@pytest.mark.parametrize("other", [{"folds": 3}, {"split_by_column": "date"}])
def test_where_it_has_no_effect(other):
    (name,) = other
    with pytest.raises(InputError, match=f"`split_near_duplicates=apart` has no .*`{name}`"):
        SplitSettings(split_near_duplicates="apart", **other).check_split()


def test_real_phrasebank_has_no_near_duplicate_on_two_sides(real_data):
    data = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:allagree")
    groups, side = near_duplicates(data.texts), parts_of(data)
    apart = parts_of(data, near_duplicates="apart")
    crossing = np.isin(groups, groups[apart != "test"]) & (apart == "test")
    assert (np.count_nonzero(apart == "test"), np.count_nonzero(crossing)) == (461, 14)
    assert not (np.isin(groups, groups[side != "test"]) & (side == "test")).any()
    notes = " ".join(make_splits(data).notes)
    assert "90 rows have near duplicates, in 39 groups;" in notes
