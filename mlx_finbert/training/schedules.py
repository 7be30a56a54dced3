"""Learning-rate schedules: functions from the step to a factor of the peak rate.

All but `slanted_triangular` equal those of transformers (`optimization.py`, 5.23) at every step of
a run; `constant` with warm-up is its `constant_with_warmup`. Steps past the end have the last rate;
there, transformers' cosine rises again and its polynomial may divide by zero.
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
"""Takes the number of an update, from 0; returns the factor of the peak learning rate."""

POLYNOMIAL_END = 1e-7
"""Final learning rate (not a factor) of the polynomial; `lr_end` in transformers."""

INVERSE_SQRT_TIMESCALE = 10_000
"""Time scale in steps if there is no warm-up, as in transformers."""

TRIANGLE_RATIO = 32
"""Ratio of the highest rate to the lowest (Howard and Ruder 2018, section 3.2)."""


@dataclass(frozen=True)
class ScheduleArgs:
    """Parameters of the schedules; see `make_schedule`."""

    total_steps: int
    warmup_steps: int
    learning_rate: float
    num_cycles: int
    power: float

    def progress(self, step: int) -> float:
        """The finished share of the steps after the warm-up, from 0 to 1."""
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
    """Make a schedule by name.

    Args:
        name: name of the schedule.
        total_steps: number of updates of the whole run.
        warmup_steps: number of updates in which the rate rises linearly.
        learning_rate: peak rate; needed by `polynomial`, whose end is a rate and not a factor.
        num_cycles: number of cycles of `cosine_with_restarts`.
        power: exponent of `polynomial`; 1 is linear.

    Raises:
        InputError: for an unknown name, and for a polynomial whose peak is not above its end.
    """
    require(name in COURSES, "lr_scheduler_type", name, f"must be one of {', '.join(COURSES)}")
    if name == "polynomial":
        rule = f"must be above {POLYNOMIAL_END:g}, the final rate of `lr_scheduler_type=polynomial`"
        require(learning_rate > POLYNOMIAL_END, "learning_rate", learning_rate, rule)
    course = COURSES[name]
    args = ScheduleArgs(total_steps, warmup_steps, learning_rate, num_cycles, power)
    return lambda step: course(args, step)


def warmup_steps_of(total_steps: int, warmup_steps: int | None, warmup_ratio: float) -> int:
    """The number of warm-up steps: as given, or by the ratio, rounded up as in transformers."""
    if warmup_steps is not None:
        return warmup_steps
    return math.ceil(total_steps * warmup_ratio)


def after_warmup(course: Course) -> Course:
    """Put a linear warm-up from 0 to 1 before a schedule."""

    @wraps(course)
    def with_warmup(args: ScheduleArgs, step: int) -> float:
        if step < args.warmup_steps:
            return step / args.warmup_steps
        return course(args, step)

    return with_warmup


@after_warmup
def constant(args: ScheduleArgs, step: int) -> float:
    """Stay at the peak."""
    return 1.0


@after_warmup
def linear(args: ScheduleArgs, step: int) -> float:
    """Fall linearly to 0 at the end."""
    return max(0.0, (args.total_steps - step) / max(1, args.total_steps - args.warmup_steps))


@after_warmup
def cosine(args: ScheduleArgs, step: int) -> float:
    """Fall in half a cosine wave to 0 at the end."""
    return 0.5 * (1 + math.cos(math.pi * args.progress(step)))


@after_warmup
def cosine_with_restarts(args: ScheduleArgs, step: int) -> float:
    """Half cosine waves of equal length, each from the peak (Loshchilov and Hutter 2017)."""
    progress = args.progress(step)
    if progress == 1:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * (args.num_cycles * progress % 1)))


@after_warmup
def polynomial(args: ScheduleArgs, step: int) -> float:
    """Fall by a power of the remaining share to `POLYNOMIAL_END` at the end."""
    left = (1 - args.progress(step)) ** args.power
    return ((args.learning_rate - POLYNOMIAL_END) * left + POLYNOMIAL_END) / args.learning_rate


@after_warmup
def inverse_sqrt(args: ScheduleArgs, step: int) -> float:
    """Fall with the inverse square root of the time, in units of the warm-up."""
    timescale = args.warmup_steps or INVERSE_SQRT_TIMESCALE
    return 1 / math.sqrt((step + timescale - args.warmup_steps) / timescale)


def slanted_triangular(args: ScheduleArgs, step: int) -> float:
    """Rise and fall linearly, from and to 1/32 of the peak (Howard and Ruder 2018).

    Their `cut_frac` is the warm-up ratio; they use 0.1.
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
