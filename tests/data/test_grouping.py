from itertools import combinations
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data import grouping
from mlx_finbert.data.grouping import RANDOM, Grouping, Way, best_lengths, packed, quantiles

WINDOWS = [way for way in get_args(Way) if way not in RANDOM]


def updates(way, lengths, labels, epoch=0, seed=0, size=8, **more):
    rng = np.random.default_rng([seed, epoch])
    return Grouping(way, **more).updates(lengths, labels, size, rng, epoch)


@pytest.fixture
def rows():
    """Make lengths and labels of 400 rows; rows with the rare label are long."""
    rng = np.random.default_rng(7)
    labels = (rng.random(400) < 0.25).astype(np.int32)
    return rng.integers(1, 60, 400) + 20 * labels, labels


def spread_in(found, values):
    """Return the mean over batches of the standard deviation within a batch."""
    return np.mean([values[rows].std() for rows in found])


@pytest.mark.parametrize("way", get_args(Way))
def test_every_row_once_in_updates_of_one_size(rows, way):
    found = updates(way, *rows, size=9)
    assert sorted(np.concatenate(found)) == list(range(400))
    assert sorted(map(len, found)) == [4, *[9] * 44]


@pytest.mark.parametrize("way", RANDOM)
def test_random_ways_have_the_same_updates(rows, way):
    found, expected = updates(way, *rows, epoch=2), updates("no", *rows, epoch=2)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("way", WINDOWS)
def test_windows_bring_like_lengths_together(rows, way):
    lengths, _ = rows
    by_chance = spread_in(updates("no", *rows), lengths)
    assert spread_in(updates(way, *rows, epochs=3), lengths) < 0.85 * by_chance
    narrow = spread_in(updates(way, *rows, window=2, epochs=3), lengths)
    wide = spread_in(updates(way, *rows, window=25, epochs=3), lengths)
    assert wide < narrow


def test_jitter_mixes_lengths(rows):
    lengths, _ = rows
    strict, mixed = (spread_in(updates(way, *rows), lengths) for way in ("windows", "jittered"))
    assert mixed > 1.5 * strict


def test_dealt_labels_are_spread_evenly(rows):
    lengths, labels = rows
    shares = {
        way: np.std([labels[rows].mean() for rows in updates(way, lengths, labels)])
        for way in ("no", "windows", "dealt")
    }
    assert shares["dealt"] < 0.6 * shares["no"] < shares["windows"]


@pytest.mark.parametrize(("epochs", "first"), [(1, 0), (2, 1), (3, 2), (5, 3), (9, 6)])
def test_at_first_ends_with_random_batches(rows, epochs, first):
    def found(way, epoch):
        return [update.tolist() for update in updates(way, *rows, epoch=epoch, epochs=epochs)]

    for epoch in range(epochs):
        assert found("at-first", epoch) == found("windows" if epoch < first else "no", epoch)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 99), min_size=1, max_size=40),
    rows=st.integers(1, 9),
    free=st.integers(0, 3),
)
def test_packing_finds_a_place_for_each(lengths, rows, free):
    lengths = np.array(lengths)
    examples = -(-len(lengths) // rows) + free
    found = packed(lengths, rows, examples)
    assert found.shape == (rows, examples)
    assert sorted(found[found >= 0]) == list(range(len(lengths)))
    # Places are filled from the left.
    assert (np.diff((found >= 0).astype(int), axis=1) <= 0).all()


def test_packed_rows_are_about_even():
    lengths = np.random.default_rng(0).integers(5, 60, 32)
    found = packed(lengths, 8, 4)
    tokens = lengths[found].sum(axis=1)
    assert np.ptp(tokens) < lengths.mean()


@pytest.mark.parametrize(
    ("shortest", "longest", "batch_size", "ranks", "expected"),
    [
        (20, 40, 16, 1, (8, 3)),
        (20, 40, 16, 4, (8, 3)),
        (20, 40, 4, 1, (2, 3)),
        (20, 40, 1, 1, (1, 1)),
        (2, 4, 16, 1, (2, 9)),
        (500, 513, 16, 1, (16, 1)),
        (100, 513, 16, 1, (8, 3)),
    ],
)
def test_rows_of_a_batch(shortest, longest, batch_size, ranks, expected):
    lengths = np.random.default_rng(0).integers(shortest, longest, 500)
    assert Grouping("packed").rows_of(lengths, batch_size, ranks) == expected
    assert Grouping("windows").rows_of(lengths, batch_size, ranks) == (batch_size, 1)


def test_few_numbers_of_rows_are_tried(monkeypatch):
    tried = []

    def noted(lengths, rows, examples):
        tried.append(rows)
        return packed(lengths, rows, examples)

    monkeypatch.setattr(grouping, "packed", noted)
    lengths = np.random.default_rng(0).integers(5, 60, 1200)
    Grouping("packed").rows_of(lengths, 1200, ranks=3)
    assert len(set(tried)) < 100 and all(number % 3 == 0 for number in tried)


def test_quantiles_go_by_label():
    lengths, labels = np.array([9, 1, 5, 50, 70]), np.array([0, 0, 0, 1, 1])
    assert quantiles(lengths, labels).round(3).tolist() == [0.833, 0.167, 0.5, 0.25, 0.75]


def padded(lengths, edges):
    return edges[np.searchsorted(edges, lengths)].sum()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.sampled_from([1, 4]))
def test_no_other_choice_pads_less(lengths, multiple):
    lengths = np.array(lengths)
    candidates = np.unique(-(-lengths // multiple) * multiple)
    for most in (1, 2, 3):
        edges = best_lengths(lengths, multiple, most)
        assert len(edges) <= most and edges[-1] == candidates[-1]
        assert set(edges) <= set(candidates)
        others = combinations(candidates[:-1], min(most, len(candidates)) - 1)
        least = min(padded(lengths, np.array([*other, candidates[-1]])) for other in others)
        assert padded(lengths, edges) == least


def test_few_lengths_are_kept_as_they_are():
    np.testing.assert_array_equal(best_lengths(np.array([9, 3, 30, 30]), 8), [8, 16, 32])


@pytest.mark.parametrize("most", [4, 12])
def test_never_more_than_asked_for(most):
    assert len(best_lengths(np.arange(3, 513), 1, most)) == most
