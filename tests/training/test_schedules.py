"""Schedules compared with those of transformers, run by PyTorch's LambdaLR."""

import typing
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainingArguments, get_scheduler

from mlx_finbert.errors import InputError
from mlx_finbert.training.schedules import (
    COURSES,
    ScheduleName,
    make_schedule,
    warmup_steps_of,
)

PEAK = 3e-4
RUNS = [(100, 10), (100, 0), (57, 57), (10, 1), (1, 0), (1, 1), (7, 3), (40, 60)]
NAMES = sorted(set(COURSES) - {"slanted_triangular"})


def theirs(name, total, warmup, **more):
    """The rates of all steps of a run."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    name = "constant_with_warmup" if name == "constant" else name
    scheduler = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=more)
    rates = []
    for step in range(total):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if step < total - 1:
            # With one more step, their polynomial would divide by zero if all steps are warm-up.
            scheduler.step()
    return rates


def ours(name, total, warmup, **more):
    schedule = make_schedule(name, total, warmup, PEAK, **more)
    return [PEAK * schedule(step) for step in range(total)]


def test_the_names_are_those_of_the_courses():
    assert list(typing.get_args(ScheduleName)) == list(COURSES)


@pytest.mark.parametrize("total, warmup", RUNS)
@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_that_of_transformers(name, total, warmup):
    assert ours(name, total, warmup) == pytest.approx(theirs(name, total, warmup), rel=1e-14)


@pytest.mark.parametrize("total, warmup", RUNS)
def test_restarts_and_powers_are_those_of_transformers(total, warmup):
    for name, more in (
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("cosine_with_restarts", {"num_cycles": 4}),
        ("polynomial", {"power": 2.0}),
        ("polynomial", {"power": 0.5}),
    ):
        expected = theirs(name, total, warmup, **more)
        assert ours(name, total, warmup, **more) == pytest.approx(expected, rel=1e-14)


def test_a_restart_is_back_at_the_peak():
    schedule = make_schedule("cosine_with_restarts", 100, 20, PEAK, num_cycles=4)
    assert [schedule(step) for step in (20, 40, 60, 80)] == [1, 1, 1, 1]
    assert schedule(39) < 0.01 and schedule(99) < 0.01
    assert schedule(100) == schedule(120) == 0


@pytest.mark.parametrize("total, warmup", RUNS)
@pytest.mark.parametrize("name", COURSES)
def test_after_the_end_nothing_is_negative_or_rises(name, total, warmup):
    schedule = make_schedule(name, total, warmup, PEAK)
    end = max(total, warmup)
    factors = [schedule(step) for step in range(end, end + 3 * end)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors == sorted(factors, reverse=True)


def test_slanted_triangles_are_those_of_the_paper():
    total, cut_frac, ratio = 200, 0.1, 32
    cut = int(total * cut_frac)

    def paper(t):
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
        return (1 + p * (ratio - 1)) / ratio

    schedule = make_schedule("slanted_triangular", total, warmup_steps_of(total, None, 0.1), PEAK)
    factors = [schedule(t) for t in range(total + 1)]
    assert factors == pytest.approx([paper(t) for t in range(total + 1)], rel=1e-12)
    assert (factors[0], factors[cut], factors[total]) == (1 / 32, 1, 1 / 32)


def test_warmup_steps_are_those_of_transformers():
    for total in (1, 7, 30, 70, 99, 1000, 1563):
        for ratio in (0.0, 0.01, 0.06, 0.1, 1 / 3, 0.999):
            # TrainingArguments needs accelerate.
            expected = TrainingArguments.get_warmup_steps(
                SimpleNamespace(warmup_steps=ratio), total
            )
            assert warmup_steps_of(total, None, ratio) == expected, (total, ratio)
    assert warmup_steps_of(10, None, 1.0) == 10


def test_warmup_steps_win_over_the_ratio():
    assert warmup_steps_of(100, 5, 0.5) == 5
    assert warmup_steps_of(100, 0, 0.5) == 0


def test_what_cannot_be_scheduled_is_refused():
    with pytest.raises(
        InputError, match="`lr_scheduler_type` is cosin: must be one of constant, linear, cosine"
    ):
        make_schedule("cosin", 10, 1, PEAK)
    with pytest.raises(InputError, match="`learning_rate` is 1e-07: must be above 1e-07"):
        make_schedule("polynomial", 10, 1, 1e-7)
