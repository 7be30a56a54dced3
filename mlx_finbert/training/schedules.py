"""Courses of the learning rate, in plain Python: what each update's share of the peak is.

All but the slanted triangular one equal those of transformers (`optimization.py`, 5.23) at every
step of a run; `constant` with warm-up is its `constant_with_warmup`. A step past the end gives
what the end gives, where transformers' cosine rises again and its polynomial may divide by zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Literal

from mlx_finbert.settings import require

ScheduleName = Literal[
    "constant",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
    "slanted_triangular",
]

Schedule = Callable[[int], float]
"""The factor of the peak learning rate for an update; the first one is number 0."""

POLYNOMIAL_END = 1e-7
"""The learning rate, not a factor, at which the polynomial ends; transformers' `lr_end`."""

INVERSE_SQRT_TIMESCALE = 10_000
"""Steps, where there is no warm-up to take them from; as in transformers."""

TRIANGLE_RATIO = 32
"""Highest rate over lowest (Howard and Ruder 2018, section 3.2)."""


@dataclass(frozen=True)
class ScheduleArgs:
    """What the courses are made of; see `make_schedule`."""

    total_steps: int
    warmup_steps: int
    learning_rate: float
    num_cycles: int
    power: float

    def progress(self, step: int) -> float:
        """Share of the steps after the warm-up that are done, from 0 to 1."""
        steps = max(1, self.total_steps - self.warmup_steps)
        return min(1.0, (step - self.warmup_steps) / steps)


Course = Callable[[ScheduleArgs, int], float]


def make_schedule(
    name: ScheduleName,
    total_steps: int,
    warmup_steps: int,
    learning_rate: float,
    num_cycles: int = 1,
    power: float = 1.0,
) -> Schedule:
    """A schedule by its name.

    Args:
        name: one of `ScheduleName`.
        total_steps: updates of the whole run.
        warmup_steps: updates in which the rate rises in a straight line.
        learning_rate: the peak; the polynomial needs it, which ends at a rate and not a factor.
        num_cycles: falls of `cosine_with_restarts`.
        power: exponent of `polynomial`; 1 is a straight line.

    Raises:
        InputError: for an unknown name, and for a polynomial whose peak is below its end.
    """
    require(name in COURSES, "--schedule", name, f"one of {', '.join(COURSES)}")
    if name == "polynomial":
        rule = f"must be above {POLYNOMIAL_END:g}, where --schedule polynomial ends"
        require(learning_rate > POLYNOMIAL_END, "--learning-rate", learning_rate, rule)
    course = COURSES[name]
    args = ScheduleArgs(total_steps, warmup_steps, learning_rate, num_cycles, power)
    return lambda step: course(args, step)


def warmup_steps_of(total_steps: int, warmup_steps: int | None, warmup_ratio: float) -> int:
    """The given number of steps or else the ratio's, rounded up as transformers does."""
    if warmup_steps is not None:
        return warmup_steps
    return math.ceil(total_steps * warmup_ratio)


def after_warmup(course: Course) -> Course:
    """Rise from 0 to 1 in a straight line first."""

    @wraps(course)
    def with_warmup(args: ScheduleArgs, step: int) -> float:
        if step < args.warmup_steps:
            return step / args.warmup_steps
        return course(args, step)

    return with_warmup


@after_warmup
def constant(args: ScheduleArgs, step: int) -> float:
    """The peak to the end."""
    return 1.0


@after_warmup
def linear(args: ScheduleArgs, step: int) -> float:
    """Down to 0 at the end."""
    return max(0.0, (args.total_steps - step) / max(1, args.total_steps - args.warmup_steps))


@after_warmup
def cosine(args: ScheduleArgs, step: int) -> float:
    """Half a wave, down to 0 at the end."""
    return 0.5 * (1 + math.cos(math.pi * args.progress(step)))


@after_warmup
def cosine_with_restarts(args: ScheduleArgs, step: int) -> float:
    """Half waves of equal length, each starting at the peak (Loshchilov and Hutter 2017)."""
    progress = args.progress(step)
    if progress == 1:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * (args.num_cycles * progress % 1)))


@after_warmup
def polynomial(args: ScheduleArgs, step: int) -> float:
    """Down to `POLYNOMIAL_END` at the end."""
    left = (1 - args.progress(step)) ** args.power
    return ((args.learning_rate - POLYNOMIAL_END) * left + POLYNOMIAL_END) / args.learning_rate


@after_warmup
def inverse_sqrt(args: ScheduleArgs, step: int) -> float:
    """One over the square root of the time in units of the warm-up."""
    timescale = args.warmup_steps or INVERSE_SQRT_TIMESCALE
    return 1 / math.sqrt((step + timescale - args.warmup_steps) / timescale)


def slanted_triangular(args: ScheduleArgs, step: int) -> float:
    """Up and down in straight lines from and to 1/32 of the peak (Howard and Ruder 2018).

    Their `cut_frac` is the share of the warm-up; they take 0.1.
    """
    return (1 + linear(args, step) * (TRIANGLE_RATIO - 1)) / TRIANGLE_RATIO


COURSES: dict[str, Course] = {
    course.__name__: course
    for course in (
        constant,
        linear,
        cosine,
        cosine_with_restarts,
        polynomial,
        inverse_sqrt,
        slanted_triangular,
    )
}
