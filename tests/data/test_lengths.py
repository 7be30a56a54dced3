from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data.lengths import best_lengths


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
