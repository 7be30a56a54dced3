"""Paired differences of several models' answers, against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from mlx_finbert.evaluation.metrics import interval
from mlx_finbert.evaluation.paired import (
    Answers,
    difference_intervals,
    drawn_figures,
    mcnemar,
)


@pytest.mark.parametrize(
    ("first", "other"), [(0, 1), (0, 6), (3, 9), (9, 3), (5, 6), (59, 6), (150, 86), (700, 812)]
)
def test_the_p_value_is_that_of_a_binomial_test(first, other):
    expected = binomtest(first, first + other, 0.5, alternative="two-sided").pvalue
    assert mcnemar(first, other) == pytest.approx(expected, rel=1e-9)


def test_the_p_value_by_hand():
    # 1 + 8 of 2^8 ways to divide eight rows are at least as uneven on this side.
    assert mcnemar(1, 7) == 2 * 9 / 256
    assert mcnemar(0, 0) == mcnemar(1, 0) == mcnemar(40, 40) == 1.0


def test_a_p_value_below_the_smallest_number_is_0():
    assert mcnemar(0, 2000) == 0.0
    assert 0 < mcnemar(20000, 21000) < 1e-5


def answers(seed, rows=83, num_labels=3, share_right=0.7, order=None):
    """Answers to the same true labels, in the model's order of the labels."""
    random, order = np.random.default_rng(seed), order or list(range(num_labels))
    true = np.random.default_rng(0).integers(0, 3, rows)
    wrong = random.integers(0, num_labels, rows)
    predicted = np.where(random.random(rows) < share_right, true, wrong)
    ids = np.array(order)
    return Answers(ids[true], ids[predicted], random.exponential(size=rows), num_labels)


def test_figures_of_each_draw_are_scikit_learns():
    models = [answers(1), answers(2, num_labels=5, order=[4, 0, 2, 1, 3]), answers(3)]
    found = drawn_figures(models, seed=7, draws=6)
    random = np.random.default_rng(7)
    for draw in range(6):
        rows = random.integers(0, 83, 83)
        for model, figures in zip(models, found, strict=True):
            true, predicted = model.true[rows], model.predicted[rows]
            assert figures["accuracy"][draw] == accuracy_score(true, predicted)
            macro = f1_score(true, predicted, average="macro")
            assert figures["macro_f1"][draw] == pytest.approx(macro)
            assert figures["loss"][draw] == pytest.approx(model.losses[rows].mean())


def test_the_order_of_the_labels_does_not_matter():
    same = answers(1), answers(1, order=[2, 0, 1])
    bounds = difference_intervals(*drawn_figures(same))
    assert all(np.allclose(found, 0, atol=1e-12) for found in bounds.values())


def test_rows_that_are_hard_for_both_do_not_widen_the_interval():
    first = answers(1, rows=400)
    predicted = first.predicted.copy()
    predicted[:8] = first.true[:8]
    better = Answers(first.true, predicted, first.losses - 0.1, 3)
    drawn = drawn_figures([first, better])
    bounds = difference_intervals(*drawn)
    low, high = bounds["accuracy"]
    gain = better.right.mean() - first.right.mean()
    assert 0 <= low <= gain <= high
    assert high - low < 0.5 * np.ptp(interval(drawn[0]["accuracy"]))
    assert np.allclose(bounds["loss"], -0.1)


def test_another_seed_draws_other_rows():
    models = [answers(1), answers(2)]
    one, same, other = (drawn_figures(models, seed, draws=20) for seed in (0, 0, 1))
    assert np.array_equal(one[0]["loss"], same[0]["loss"])
    assert not np.array_equal(one[0]["loss"], other[0]["loss"])
