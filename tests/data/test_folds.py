import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data import LabelledTexts, load_texts
from mlx_finbert.data.folds import deal, make_folds
from mlx_finbert.data.near_duplicates import near_duplicates
from mlx_finbert.errors import InputError

LABELS = ["negative", "neutral", "positive"]
NAMES = ["alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa"]


def make(n=300, seed=0, **more):
    """Make texts without near duplicates."""
    labels = np.random.default_rng(seed).choice(3, n, p=[0.1, 0.6, 0.3]).astype(np.int32)
    texts = [f"{NAMES[i % 7]}{'x' * (i // 7)} {'y' * (i + 1)}" for i in range(n)]
    return LabelledTexts(texts, labels, LABELS, "made", **more)


def with_twins(data):
    """Repeat a third of the rows, with a different number before and after."""
    third = range(0, len(data), 3)
    texts = [f"1 {text}" for text in data.texts] + [f"22 {data.texts[i]}" for i in third]
    labels = np.concatenate([data.label_ids, data.label_ids[third]])
    return LabelledTexts(texts, labels, LABELS, "twins")


def test_every_row_is_tested_once():
    data = make()
    splits = make_folds(data, 7, 1)
    rows = np.concatenate([fold.test_rows for fold in splits])
    assert sorted(rows) == list(range(len(data)))
    for fold in splits:
        parts = (fold.train, fold.validation, fold.test)
        assert sorted(text for part in parts for text in part.texts) == sorted(data.texts)
        assert fold.test.texts == [data.texts[row] for row in fold.test_rows]
        assert fold.test.label_ids.tolist() == data.label_ids[fold.test_rows].tolist()


def test_labels_and_sizes_are_level():
    splits = make_folds(make(301), 7, 2, 0.25)
    counts = np.array([np.bincount(fold.test.label_ids) for fold in splits])
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    for fold in splits:
        rest = len(fold.train) + len(fold.validation)
        # Four standard deviations of a binomial draw.
        assert len(fold.validation) == pytest.approx(rest / 4, abs=28)


def test_near_duplicates_are_never_on_two_sides():
    data = with_twins(make())
    groups = dict(zip(data.texts, near_duplicates(data.texts), strict=True))
    assert max(groups.values()) == 299
    for fold in make_folds(data, 5):
        parts = (fold.train, fold.validation, fold.test)
        train, validation, test = ({groups[text] for text in part.texts} for part in parts)
        assert not train & validation and not train & test and not validation & test
        assert len(fold.test) == pytest.approx(len(data) / 5, abs=1)
    assert "200 rows have a near duplicate, in 100 groups of up to 2 rows" in fold.notes[-1]
    assert make_folds(make(), 5)[0].notes[-1] == "no row has a near duplicate"


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 6), st.data())
def test_groups_of_any_size_are_dealt_whole(folds, data):
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=40))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.array(
        data.draw(st.lists(st.integers(0, 2), min_size=len(groups), max_size=len(groups)))
    )
    dealt = deal(labels, groups, folds, np.random.default_rng(0).random(len(sizes)))
    assert dealt.min() >= 0 and dealt.max() < folds
    assert all(len(set(dealt[groups == group])) == 1 for group in range(len(sizes)))
    # Single rows even out each label as far as possible.
    held = np.array([np.bincount(labels[dealt == fold], minlength=3) for fold in range(folds)])
    single = np.array(sizes)[groups] == 1
    for label in range(3):
        level = dealt[single & (labels == label)]
        assert all(held[fold, label] <= held[:, label].min() + 1 for fold in set(level))


def test_the_order_of_the_rows_does_not_matter():
    data = with_twins(make())
    mixed = data.take(np.random.default_rng(3).permutation(len(data)), "twins")
    for one, two in zip(make_folds(data, 5), make_folds(mixed, 5), strict=True):
        for part in ("train", "validation", "test"):
            assert sorted(getattr(one, part).texts) == sorted(getattr(two, part).texts)


def test_validation_rows_are_others_in_every_fold():
    times = Counter(text for fold in make_folds(make(), 4) for text in fold.validation.texts)
    # A row that is a validation row in all other folds would never be trained on.
    assert sum(count == 3 for count in times.values()) < 5 < len(times)


def test_the_seed_decides():
    data = make()
    first = [fold.test.texts for fold in make_folds(data, 4, 1)]
    assert first == [fold.test.texts for fold in make_folds(data, 4, 1)]
    assert first != [fold.test.texts for fold in make_folds(data, 4, 2)]


def test_repeated_and_conflicting_texts_take_no_part():
    data = make(100)
    data.texts[7] = data.texts[3].upper()
    data.texts[9] = data.texts[8]
    data.texts[11] = data.texts[8]
    data.label_ids[[3, 7]] = [0, 2]
    data.label_ids[[8, 9, 11]] = 1
    splits = make_folds(data, 4)
    rows = np.concatenate([fold.test_rows for fold in splits])
    assert sorted(rows) == sorted(set(range(100)) - {3, 7, 9, 11})
    expected = (
        "4 of 100 rows are not used: 2 repeat the text of another row, 2 have a text with several"
        " labels"
    )
    assert all(fold.notes[1] == expected for fold in splits)
    assert re.fullmatch(
        r"made, fold 2 of 4: \d+ train, \d+ validation, 24 test", splits[1].notes[0]
    )


def test_rows_that_are_all_training_rows_may_be_cut():
    assert len(make_folds(make(splits=["train"] * 300), 3)) == 3


def refusal(data, folds=5, **options):
    with pytest.raises(InputError) as caught:
        make_folds(data, folds, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_input():
    assert refusal(make(), 1) == "`folds` is 1: at least 2"
    own = make(splits=["train"] * 200 + ["test"] * 100)
    assert "made has its own splits" in refusal(own)
    assert "made has 4 groups of near duplicates, too few for `folds=5`" in refusal(make(4))
    few = make()
    few.label_ids[:] = [0] * 3 + [1] * 297
    assert "3 usable rows are labelled 'negative', in 3 groups" in refusal(few)
    alike = with_twins(make(30))
    alike.label_ids[:] = 1
    alike.label_ids[[0, 3, 6, 30, 31, 32]] = 2
    assert "6 usable rows are labelled 'positive', in 3 groups" in refusal(alike)
    contradictory = LabelledTexts(["a", "A"], np.array([0, 1]), LABELS, "both")
    assert "both has 0 groups" in refusal(contradictory)


@pytest.mark.parametrize(("level", "rows"), [("50agree", 4836), ("allagree", 2259)])
def test_real_phrasebank(real_data, level, rows):
    data = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:{level}")
    splits = make_folds(data, 10, 42)
    counts = np.array([np.bincount(fold.test.label_ids) for fold in splits])
    assert counts.sum() == rows
    assert np.ptp(counts, axis=0).max() <= 1 and np.ptp(counts.sum(axis=1)) <= 1
