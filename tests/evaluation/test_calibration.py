"""Temperature scaling against cases with a known answer."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.checkpoints.into_model import fold_temperature, recorded_temperature
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.calibration import (
    HIGHEST,
    LOWEST,
    UNDETERMINED,
    expected_calibration_error,
    explain_temperature,
    fit_temperature,
    reliability,
)
from mlx_finbert.evaluation.metrics import measure
from mlx_finbert.inference.logits import softmax
from mlx_finbert.models import FAMILIES


def honest(num_labels=3, groups=None, seed=0):
    """Logits and labels in exact proportion: each label stands n p times beside its probability."""
    shape = groups or 2 + 100 // num_labels, num_labels
    counts = np.random.default_rng(seed).integers(1, 30, shape)
    logits = np.log(counts / counts.sum(axis=1, keepdims=True))
    rows, labels = np.nonzero(counts)
    return logits[rows].repeat(counts.ravel(), axis=0), labels.repeat(counts.ravel())


@pytest.mark.parametrize("num_labels", [2, 3, 77])
@pytest.mark.parametrize("factor", [0.05, 0.5, 1.7, 40])
def test_a_known_factor_is_found(num_labels, factor):
    logits, labels = honest(num_labels)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=1e-6)
    # The constant of a row says nothing, as softmax does not see it.
    scaled = (logits * factor + np.arange(len(labels))[:, None] % 7).astype(np.float32)
    assert fit_temperature(scaled, labels) == pytest.approx(factor, rel=1e-3)


def test_two_rows_solved_by_hand():
    # Right by 2 in three of four rows: sigmoid(2 / T) = 3 / 4, so T = 2 / ln 3.
    logits = np.array([[2.0, 0.0]] * 4)
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(2 / np.log(3))


@settings(deadline=None)
@given(
    st.integers(2, 5), st.integers(1, 30), st.floats(0.1, 10), st.floats(-1, 4), st.integers(0, 99)
)
def test_the_loss_falls_and_the_labels_stay(num_labels, rows, spread, skill, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_labels, rows)
    logits = rng.normal(0, spread, (rows, num_labels)) + skill * np.eye(num_labels)[labels]
    temperature = fit_temperature(logits, labels)
    assert LOWEST <= temperature <= HIGHEST
    before, after = measure(logits, labels), measure(logits / temperature, labels)
    assert after.loss <= before.loss + 1e-12
    np.testing.assert_array_equal(after.confusion, before.confusion)
    if LOWEST < temperature < HIGHEST and temperature != UNDETERMINED:
        for other in (0.99, 1.01):
            assert after.loss <= measure(logits / temperature / other, labels).loss + 1e-12


def test_rows_that_determine_nothing():
    right = np.array([[1000.0, -1000.0], [-3.0, 2.0]]), np.array([0, 1])
    for logits, labels in (
        right,
        (right[0][:1], right[1][:1]),
        (np.empty((0, 3)), np.empty(0, int)),
        (np.ones((4, 3)), np.array([0, 1, 2, 2])),
    ):
        assert fit_temperature(logits, labels) == UNDETERMINED


def test_no_better_than_chance_is_as_unsure_as_can_be():
    assert fit_temperature(np.array([[5.0, -5.0]]), np.array([1])) == HIGHEST
    assert fit_temperature(np.array([[5e4, -5e4]] * 2), np.array([0, 1])) == HIGHEST


def test_damaged_logits_are_refused():
    with pytest.raises(InputError, match="not finite"):
        fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]))


def test_each_temperature_is_explained():
    for temperature, words in (
        (UNDETERMINED, "do not determine one"),
        (HIGHEST, "no better than chance"),
        (1.5, "1.500: the model was overconfident"),
        (0.5, "0.500: the model was underconfident"),
    ):
        assert words in explain_temperature(temperature)


@pytest.mark.parametrize("family", FAMILIES)
def test_folding_divides_the_logits_and_nothing_else(checkpoint, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    ids = mx.array([[2, 7, 9, 11, 3]])
    logits, before = model(ids, mx.ones_like(ids)), dict(tree_flatten(model.parameters()))
    fold_temperature(model, 2.5)
    after = dict(tree_flatten(model.parameters()))
    changed = {name for name in before if not mx.array_equal(before[name], after[name])}
    layer = "classifier.out_proj" if family == "roberta" else "classifier"
    assert changed == {f"{layer}.weight", f"{layer}.bias"}
    np.testing.assert_allclose(model(ids, mx.ones_like(ids)), logits / 2.5, rtol=1e-5)


def test_what_earlier_versions_recorded():
    assert recorded_temperature({"calibration_temperature": 2}, Path("config.json")) == 2.0
    assert recorded_temperature({}, Path("config.json")) == 1.0
    with pytest.raises(InputError, match=r"^x/config.json: calibration_temperature is -1, not"):
        recorded_temperature({"calibration_temperature": -1}, Path("x/config.json"))


def test_the_calibration_error_by_hand():
    sure = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    labels = np.array([0, 0, 0, 1, 0, 1])
    found = reliability(probabilities, labels, bins=10)
    # Bins hold their upper edge: (0.5, 0.6] and (0.8, 0.9].
    np.testing.assert_array_equal(found.rows, [0, 0, 0, 0, 0, 2, 0, 0, 4, 0])
    np.testing.assert_allclose(found.confidence[[5, 8]], [0.6, 0.9])
    np.testing.assert_allclose(found.accuracy[[5, 8]], [0.5, 0.75])
    expected = (2 * 0.1 + 4 * 0.15) / 6
    assert found.error == pytest.approx(expected)
    assert expected_calibration_error(probabilities, labels, bins=10) == pytest.approx(expected)


def test_the_calibration_error_at_the_ends():
    certain = np.eye(3)[[0, 1, 2]]
    assert expected_calibration_error(certain, np.array([0, 1, 2])) == 0
    assert expected_calibration_error(certain, np.array([1, 2, 0])) == 1
    assert reliability(certain, np.arange(3)).rows[-1] == 3
    assert expected_calibration_error(np.empty((0, 3)), np.empty(0, int)) == 0


def test_scaling_repairs_logits_that_are_too_large():
    logits, labels = honest(groups=400)
    wrong = 4 * logits
    repaired = softmax(wrong / fit_temperature(wrong, labels))
    assert expected_calibration_error(softmax(wrong), labels) > 0.2
    assert expected_calibration_error(repaired, labels) < 0.01
