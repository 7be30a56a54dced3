"""The best evaluation, early stopping, and plateaus of the learning rate."""

import json
import math
from dataclasses import fields

import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.training.early_stopping import (
    HIGHER_IS_BETTER,
    Best,
    EarlyStopping,
    ReduceLROnPlateau,
    higher_is_better,
)
from mlx_finbert.training.state import Record

# fmt: off
ACCURACIES = [.60, .70, .70, .69, .71, .71, .71, .71, .71, .71, .71, .80, .80, .80]
LOSSES = [1.0, .9, .8999, .89995, .85, .86, .87, .88, .84, .85, .85, .85, .85, .85, .85]
# fmt: on


def stops_after(series, patience, higher=False, min_delta=0.0):
    """The number of evaluations until a run stops."""
    stopping = EarlyStopping(patience, Best(higher, min_delta))
    return next((i for i, value in enumerate(series, 1) if stopping.update(value)), None)


def test_a_run_can_be_steered_by_what_an_evaluation_records():
    assert set(HIGHER_IS_BETTER) <= {field.name for field in fields(Record)}


def test_directions_of_metrics():
    assert higher_is_better("val_macro_f1", "metric") and higher_is_better("accuracy", "metric")
    assert not higher_is_better("val_loss", "metric")
    with pytest.raises(InputError, match="`metric` is f1: must be one of loss, accuracy, val_loss"):
        higher_is_better("f1", "metric")


def test_ties_do_not_replace_the_best():
    best = Best(higher_is_better=True)
    assert [best.update(value) for value in (0.5, 0.5, 0.6, 0.55)] == [True, False, True, False]
    assert best.value == 0.6
    best = Best(higher_is_better=False)
    assert [best.update(value) for value in (0.5, 0.5, 0.4, 0.45)] == [True, False, True, False]
    assert best.value == 0.4


def test_a_better_value_is_better_by_more_than_min_delta():
    best = Best(higher_is_better=True, min_delta=0.0001)
    assert 0.5631 - 0.0001 > 0.563
    assert [best.update(value) for value in (0.563, 0.5631, 0.5632)] == [True, False, True]
    best = Best(higher_is_better=False, min_delta=0.25)
    assert [best.update(value) for value in (1.0, 0.75, 0.5)] == [True, False, True]


def test_early_stopping_is_that_of_keras():
    # The expected numbers: keras 3.15.1 (torch backend), its EarlyStopping called with these
    # series at on_epoch_end until model.stop_training.
    assert stops_after(ACCURACIES, 3, higher=True) == 8
    assert stops_after(LOSSES, 2) == 7
    assert stops_after(LOSSES, 3, min_delta=0.06) == 5
    assert stops_after([1, 1, 1], 1) == 2
    assert stops_after([0.9, 0.901, 0.902, 0.903], 2, higher=True, min_delta=0.001) is None
    assert stops_after([1.0, 0.9, 0.95, 0.9, 0.9], 4) is None


def test_early_stopping_goes_on_from_its_state():
    whole = EarlyStopping(3, Best(higher_is_better=False))
    expected = [whole.update(value) for value in LOSSES]
    for cut in range(len(LOSSES)):
        before = EarlyStopping(3, Best(higher_is_better=False))
        told = [before.update(value) for value in LOSSES[:cut]]
        after = EarlyStopping(3, Best(higher_is_better=False))
        after.restore(json.loads(json.dumps(before.state())))
        assert told + [after.update(value) for value in LOSSES[cut:]] == expected


# Made with keras 3.15.1 (torch backend): a compiled model with metrics=["accuracy"], Adam at the
# start rate, keras.callbacks.ReduceLROnPlateau(**parameters), on_epoch_end(i, {monitor: value})
# for each value, and the optimizer's rate read after each.
KERAS = {
    "the seed tutorial's": (
        {"monitor": "accuracy", "factor": 0.5, "patience": 2, "min_lr": 1e-6}, ACCURACIES,
        [1e-3, 1e-3, 1e-3, 5e-4, 5e-4, 5e-4, 2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4, 6.25e-5, 6.25e-5,
         6.25e-5, 3.125e-5],
    ),
    "default min_delta": (
        {"factor": 0.1, "patience": 2}, LOSSES,
        [1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5, 1e-5, 1e-5, 1e-6, 1e-6, 1e-7, 1e-7, 1e-8],
    ),
    "cooldown": (
        {"factor": 0.5, "patience": 2, "cooldown": 2}, LOSSES,
        [1e-3, 1e-3, 1e-3, 5e-4, 5e-4, 5e-4, 2.5e-4, 2.5e-4, 2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4,
         1.25e-4, 6.25e-5, 6.25e-5],
    ),
    "cooldown above patience": (
        {"factor": 0.5, "patience": 1, "cooldown": 3}, LOSSES,
        [1e-3, 1e-3, 5e-4, 5e-4, 5e-4, 2.5e-4, 2.5e-4, 2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4, 1.25e-4,
         6.25e-5, 6.25e-5, 6.25e-5],
    ),
    "defaults": ({}, [1.0] * 25, [1e-3] * 10 + [1e-4] * 10 + [1e-5] * 5),
    "min_lr": (
        {"monitor": "val_accuracy", "patience": 1, "min_lr": 3e-5}, [0.5] * 8,
        [1e-3, 1e-4, 3e-5, 3e-5, 3e-5, 3e-5, 3e-5, 3e-5],
    ),
    "min_lr and cooldown": (
        {"monitor": "val_accuracy", "patience": 2, "min_lr": 3e-5, "cooldown": 1}, [0.5] * 12,
        [1e-3, 1e-3, 1e-4, 1e-4] + [3e-5] * 8,
    ),
    "no patience": (
        {"monitor": "loss", "factor": 0.5, "patience": 0}, [0.5] * 5,
        [1e-3, 5e-4, 2.5e-4, 1.25e-4, 6.25e-5],
    ),
    "better by min_delta exactly": (
        {"monitor": "accuracy", "factor": 0.5, "patience": 1, "min_delta": 0.001},
        [0.9, 0.901, 0.902, 0.903, 0.904],
        [1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4],
    ),
    "better by min_delta exactly, save for rounding": (
        {"monitor": "accuracy", "factor": 0.5, "patience": 1}, [0.563, 0.5631, 0.5632, 0.5634],
        [1e-3, 5e-4, 5e-4, 5e-4],
    ),
    "mode against the metric's own": (
        {"monitor": "accuracy", "factor": 0.5, "patience": 1, "mode": "min"}, [0.5, 0.6, 0.7, 0.8],
        [1e-3, 5e-4, 2.5e-4, 1.25e-4],
    ),
    "mode min": (
        {"monitor": "accuracy", "factor": 0.5, "patience": 1, "mode": "min"}, [0.5, 0.4, 0.3, 0.3],
        [1e-3, 1e-3, 1e-3, 5e-4],
    ),
}  # fmt: skip


def course(plateau, series, learning_rate=1e-3):
    rates = []
    for value in series:
        learning_rate = plateau.update(value, learning_rate)
        rates.append(learning_rate)
    return rates


@pytest.mark.parametrize("name", KERAS)
def test_the_course_is_that_of_keras(name):
    parameters, series, expected = KERAS[name]
    rates = course(ReduceLROnPlateau(**parameters), series)
    # Keras rounds the rate to float32 each time it falls.
    assert rates == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", KERAS)
def test_it_goes_on_from_its_state(name):
    parameters, series, _ = KERAS[name]
    expected = course(ReduceLROnPlateau(**parameters), series)
    for cut in range(1, len(series)):
        before, after = ReduceLROnPlateau(**parameters), ReduceLROnPlateau(**parameters)
        rates = course(before, series[:cut])
        after.restore(json.loads(json.dumps(before.state())))
        assert rates + course(after, series[cut:], rates[-1]) == expected


def test_a_rate_that_rounding_left_above_its_minimum_does_not_fall():
    plateau = ReduceLROnPlateau("loss", 0.5, patience=1, min_lr=3e-5, cooldown=5)
    rate = math.nextafter(3e-5, 1)
    assert course(plateau, [1.0, 1.0, 1.0], rate) == [rate] * 3
    assert (plateau.cooling, plateau.wait) == (0, 2)


def test_parameters_are_refused_by_their_flags():
    for parameters, message in (
        ({"monitor": "auc"}, "`plateau_monitor` is auc: must be one of loss, accuracy"),
        ({"factor": 1.0}, "`plateau_factor` is 1.0: must be between 0 and 1"),
        ({"factor": 0.0}, "`plateau_factor` is 0.0: must be between 0 and 1"),
        ({"patience": -1}, "`plateau_patience` is -1: must be at least 0"),
        ({"min_lr": -1.0}, "`plateau_min_lr` is -1.0: must be at least 0"),
        ({"min_delta": -1e-4}, "`plateau_min_delta` is -0.0001: must be at least 0"),
        ({"cooldown": -1}, "`plateau_cooldown` is -1: must be at least 0"),
        ({"mode": "up"}, "`plateau_mode` is up: must be one of auto, min, max"),
    ):
        with pytest.raises(InputError, match=message):
            ReduceLROnPlateau(**parameters)
