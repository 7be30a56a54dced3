import numpy as np
import pytest

from mlx_finbert.metrics import bootstrap_intervals, measure, softmax

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, the reference")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_labels", [2, 3, 7])
def test_against_scikit_learn(seed, num_labels):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(40, num_labels)).astype(np.float32) * 3
    labels = rng.integers(0, num_labels - (seed % 2), 40).astype(np.int32)
    found, names = measure(logits, labels), list(range(num_labels))
    predicted = logits.argmax(axis=1)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=names, zero_division=0
    )
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.f1, f1)
    np.testing.assert_allclose(found.macro_f1, f1.mean())
    np.testing.assert_allclose(found.accuracy, (predicted == labels).mean())
    expected = sklearn_metrics.log_loss(labels, softmax(logits), labels=names)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    np.testing.assert_allclose(found.mcc, sklearn_metrics.matthews_corrcoef(labels, predicted))
    weighted = sklearn_metrics.f1_score(labels, predicted, average="weighted", zero_division=0)
    np.testing.assert_allclose(found.weighted_f1, weighted)
    matrix = sklearn_metrics.confusion_matrix(labels, predicted, labels=names)
    np.testing.assert_array_equal(found.confusion, matrix)


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
