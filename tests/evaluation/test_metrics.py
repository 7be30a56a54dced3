import json

import numpy as np
import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.metrics import bootstrap_intervals, largest_confusions, measure, plain
from mlx_finbert.inference.logits import require_finite, softmax


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_labels", [2, 3, 7])
def test_against_scikit_learn(seed, num_labels):
    reference = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, the reference")
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(40, num_labels)).astype(np.float32) * 3
    # Of every second seed one label has no rows, and of every third no predictions either.
    labels = rng.integers(0, num_labels - (seed % 2), 40).astype(np.int32)
    logits[:, -1] -= 20 * (seed % 3 == 0)
    found, names = measure(logits, labels), list(range(num_labels))
    predicted = logits.argmax(axis=1)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        labels, predicted, labels=names, zero_division=np.nan
    )
    np.testing.assert_array_equal(found.precision, precision)
    np.testing.assert_array_equal(found.recall, recall)
    np.testing.assert_allclose(found.f1, f1)
    for average, value in (("macro", found.macro_f1), ("weighted", found.weighted_f1)):
        expected = reference.f1_score(labels, predicted, average=average, zero_division=0)
        np.testing.assert_allclose(value, expected)
    np.testing.assert_allclose(found.accuracy, (predicted == labels).mean())
    expected = reference.log_loss(labels, softmax(logits), labels=names)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    np.testing.assert_allclose(found.mcc, reference.matthews_corrcoef(labels, predicted))
    matrix = reference.confusion_matrix(labels, predicted, labels=names)
    np.testing.assert_array_equal(found.confusion, matrix)


def f1_by_definition(labels, predicted):
    """Macro and weighted F1 over the labels that occur on either side."""
    scores, supports = [], []
    for label in sorted({*labels} | {*predicted}):
        hits = sum(t == p == label for t, p in zip(labels, predicted, strict=True))
        misses = sum((t == label) != (p == label) for t, p in zip(labels, predicted, strict=True))
        scores.append(2 * hits / (2 * hits + misses))
        supports.append(list(labels).count(label))
    weighted = sum(f1 * n for f1, n in zip(scores, supports, strict=True)) / sum(supports)
    return sum(scores) / len(scores), weighted


@pytest.mark.parametrize("seed", range(20))
def test_f1_by_its_definition(seed):
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 4, (4, 4)) * rng.integers(0, 2, (4, 1)) * rng.integers(0, 2, (1, 4))
    confusion[0, 0] += 1
    pairs = [cell for cell, count in np.ndenumerate(confusion) for _ in range(count)]
    found = outcome_of(confusion)
    assert (found.macro_f1, found.weighted_f1) == pytest.approx(
        f1_by_definition(*zip(*pairs, strict=True))
    )


def test_a_label_that_does_not_occur_is_left_out_of_macro_f1():
    # Right in all rows of two labels of three.
    assert outcome_of(np.diag([4, 5, 0])).macro_f1 == 1.0
    # A label that was predicted once, wrongly, counts as 0: (1 + 2 * 4 / (2 * 4 + 1) + 0) / 3.
    found = outcome_of(np.array([[5, 0, 0], [0, 4, 1], [0, 0, 0]]))
    assert found.macro_f1 == pytest.approx((1 + 8 / 9) / 3)
    # As does one whose rows were all missed.
    assert outcome_of(np.array([[5, 0], [5, 0]])).macro_f1 == pytest.approx(2 / 3 / 2)


def test_figures_that_are_0_by_0_are_undefined():
    found = outcome_of(np.array([[3, 1, 0, 0], [2, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    assert plain(found.precision) == [pytest.approx(3 / 6), pytest.approx(2 / 3), None, None]
    assert plain(found.recall) == [pytest.approx(3 / 4), pytest.approx(2 / 4), 0.0, None]
    assert plain(found.f1) == [pytest.approx(6 / 10), pytest.approx(4 / 7), 0.0, None]
    names = ["a", "b", "c", "d"]
    told = json.loads(json.dumps(found.to_dict(names), allow_nan=False))["labels"]
    assert told["c"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert told["d"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    intervals = bootstrap_intervals(found)
    assert plain(intervals["precision"][:, 2:]) == [[None, None]] * 2
    assert plain(intervals["f1"][:, 3]) == [None, None]
    assert np.isfinite(intervals["macro_f1"]).all()


def test_a_draw_without_a_figure_takes_no_part_in_its_interval():
    """One row of `b`, predicted right: in a third of the draws it does not occur."""
    found = outcome_of(np.diag([9, 1]))
    intervals = bootstrap_intervals(found)
    for name in ("precision", "recall", "f1"):
        assert intervals[name].tolist() == [[1, 1], [1, 1]], name
    # And those draws have the macro-F1 of `a` alone.
    assert intervals["macro_f1"].tolist() == [1, 1]


def test_what_makes_figures_say_less_is_remarked():
    names = ["a", "b", "c"]
    rows = 20 * np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert outcome_of(rows).remarks(names) == []
    (one_answer,) = outcome_of(np.array([[0, 20, 0], [0, 20, 0], [0, 0, 0]])).remarks(names)
    assert (
        one_answer == "every row was predicted as 'b': the model has learned nothing from the texts"
    )
    (one_label,) = outcome_of(np.array([[0, 0, 0], [0, 0, 0], [5, 5, 30]])).remarks(names)
    assert one_label.startswith("every row is labelled 'c'")
    assert outcome_of(np.array([[1]])).remarks(["a"])[-1].startswith("only 1 rows")
    assert outcome_of(np.diag([15, 14])).remarks(names)[-1].startswith("only 29 rows")
    assert outcome_of(np.diag([15, 15])).remarks(names) == []


def test_the_largest_confusions():
    confusion = np.array([[9, 2, 0], [5, 9, 2], [0, 1, 9]])
    assert largest_confusions(confusion) == [(1, 0, 5), (0, 1, 2), (1, 2, 2), (2, 1, 1)]
    assert largest_confusions(confusion, most=2) == [(1, 0, 5), (0, 1, 2)]
    assert largest_confusions(np.diag([3, 4])) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_have_no_figures(bad):
    require_finite(np.zeros((2, 3)))
    with pytest.raises(InputError, match="not finite"):
        require_finite(np.array([[0.0, bad]]))


def test_extreme_logits_are_finite():
    found = measure(np.array([[1000.0, -1000.0]]), np.array([1]))
    assert np.isfinite(found.loss)
    assert found.accuracy == 0


def test_known_brier_scores_and_correlations():
    right, wrong = np.array([[50.0, 0.0]]), np.array([[0.0, 50.0]])
    assert measure(right, np.array([0])).brier == pytest.approx(0)
    assert measure(wrong, np.array([0])).brier == pytest.approx(2)
    assert measure(np.zeros((1, 4)), np.array([0])).brier == pytest.approx(0.75**2 + 3 / 16)
    assert outcome_of(np.array([[5, 0], [0, 5]])).mcc == 1
    assert outcome_of(np.array([[0, 5], [5, 0]])).mcc == -1
    # One label alone was predicted: no correlation is defined.
    assert outcome_of(np.array([[5, 0], [5, 0]])).mcc == 0


def outcome_of(confusion):
    """Metrics of rows that fall into these cells, each with probability 0.9 for the prediction."""
    labels, logits = [], []
    for (true, predicted), count in np.ndenumerate(confusion):
        row = np.zeros(len(confusion))
        row[predicted] = np.log(9)
        labels += [true] * count
        logits += [row] * count
    return measure(np.array(logits), np.array(labels))


def test_intervals_hold_the_estimate_and_narrow_with_rows():
    few = np.array([[8, 2], [3, 7]])
    widths = []
    for confusion in (few, few * 100):
        metrics = outcome_of(confusion)
        intervals = bootstrap_intervals(metrics)
        for name, bounds in intervals.items():
            value = getattr(metrics, name)
            assert (bounds[0] < value).all() and (value < bounds[1]).all(), name
        widths.append(np.ptp(intervals["accuracy"]))
    # The loss is a straight line of the accuracy here, but its rows are drawn on their own.
    assert np.ptp(intervals["loss"]) == pytest.approx(widths[1] * np.log(9), rel=0.1)
    # The width falls with the square root of the number of rows; the first agrees with the normal
    # approximation 2 * 1.96 * sqrt(p (1 - p) / n).
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.2)
    assert widths[0] == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 20), rel=0.1)


def test_intervals_are_the_same_every_time():
    metrics = outcome_of(np.array([[5, 1], [2, 4]]))
    one, two = bootstrap_intervals(metrics), bootstrap_intervals(metrics)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
