"""The best evaluation, and early stopping."""

import json
from dataclasses import fields

import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.training.early_stopping import (
    HIGHER_IS_BETTER,
    Best,
    EarlyStopping,
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
    assert higher_is_better("val_macro_f1", "--metric") and higher_is_better("accuracy", "--metric")
    assert not higher_is_better("val_loss", "--metric")
    with pytest.raises(InputError, match="--metric is f1: must be one of loss, accuracy, val_loss"):
        higher_is_better("f1", "--metric")


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
