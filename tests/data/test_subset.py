"""Samples by hash, and test rows that a model has not seen."""

import numpy as np

from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.subset import sample, unseen, usable
from mlx_finbert.data.text_hashes import SeenTexts

LABELS = ["negative", "positive"]


def make(n=400):
    labels = np.arange(n, dtype=np.int32) % 2
    return LabelledTexts([f"Text {i}" for i in range(n)], labels, LABELS, "made")


def sampled(rows, most, seed=0):
    return {rows.texts[i] for i in sample(rows, most, seed, "limit")[0]}


def test_a_sample_is_nested_and_independent_of_the_order():
    rows = make()
    mixed = rows.take(np.random.default_rng(0).permutation(400), "mixed")
    assert sampled(rows, 50) == sampled(mixed, 50) < sampled(rows, 100)
    assert sampled(rows, 50) != sampled(rows, 50, seed=1)
    at, notes = sample(rows, 50, 0, "limit")
    assert len(at) == 50 and at.tolist() == sorted(at)
    assert notes == ["made: 50 of 400 rows are used, by `limit`"]


def test_a_sample_of_all_is_all():
    for most in (None, 400, 1000):
        at, notes = sample(make(), most, 0, "limit")
        assert at.tolist() == list(range(400)) and notes == []


def test_a_sample_does_not_follow_the_split():
    """Otherwise the sampled training rows would be those nearest to the test rows."""
    splits = make_splits(make(4000), 0, 0.5)
    shares = [len(sampled(make(4000), 400) & set(part.texts)) for part in (splits.test,)]
    assert 150 < shares[0] < 250


def test_seen_rows_are_left_out_or_told():
    rows = make(6)
    seen = SeenTexts.of(rows.take(np.array([1]), "t"), rows.take(np.array([4]), "v"))
    at, notes = unseen(rows, seen, include_seen=False)
    assert at.tolist() == [0, 2, 3, 5]
    assert notes == [
        "made: 2 of 6 rows were left out, because the model saw their texts in training or"
        " validation; `include_seen=True` includes them"
    ]
    at, notes = unseen(rows, seen, include_seen=True)
    assert at.tolist() == list(range(6)) and "2 of 6 rows have texts that" in notes[0]
    assert unseen(rows.take(np.array([0, 5]), "few"), seen, False)[1] == []


def test_the_test_rows_of_a_run_are_new_to_it():
    data = make()
    data.splits = ["train"] * 200 + ["validation"] * 100 + ["test"] * 100
    data.texts[300], data.texts[301] = "TEXT 7", "text  250"
    base = SeenTexts.of(data.take(np.array([302]), "t"), data.take(np.array([303]), "v"))
    splits = usable(make_splits(data), base, False, None, None, 0)
    assert splits.test_rows.tolist() == list(range(304, 400))
    assert splits.test.texts == data.texts[304:]
    assert any("4 of 100 rows were left out" in note for note in splits.notes)
    assert splits.seen.holds(data.texts).tolist() == [True] * 304 + [False] * 96
    assert len(usable(make_splits(data), base, True, None, None, 0).test) == 100


def test_rows_outside_the_sample_are_not_seen():
    splits = usable(make_splits(make()), None, False, 30, 20, 0)
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [30, 20, 20]
    assert len(splits.test_rows) == 20
    assert np.count_nonzero(splits.seen.holds(make().texts)) == 50
    assert sum("rows are used, by `max_" in note for note in splits.notes) == 3


def test_a_label_that_a_sample_loses_is_told():
    splits = usable(make_splits(make()), None, False, 1, None, 0)
    (lost,) = {0, 1} - set(splits.train.label_ids)
    expected = f"no training row of the sample is labelled {LABELS[lost]}: raise `max_train_rows`"
    assert expected in splits.notes


def test_a_model_that_has_seen_all_test_rows_leaves_none():
    drawn = make_splits(make())
    splits = usable(drawn, SeenTexts.of(drawn.test, drawn.test), False, None, None, 0)
    assert splits.test is None and len(splits.test_rows) == 0
