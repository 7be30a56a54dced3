"""Checks that two ways to compute agree: a GPU and MLX's CPU stream, or the paths of a CPU."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from mlx_finbert.backend.ways import Way
from mlx_finbert.self_check.against_numpy import STEPS, is_noise, norm
from mlx_finbert.self_check.layers import largest
from mlx_finbert.self_check.outcome import Measure
from mlx_finbert.self_check.subjects import Arrays, Subject, to_numpy

Ways = tuple[Way, Way]
Found = TypeVar("Found")

LOGITS = 2e-5
"""Allowed difference of a logit, relative to the largest one."""
GRADIENTS = 1e-4
"""Allowed difference of a parameter's gradients, as a share of their norm."""
NOISE = 1e-6
"""The same in terms of all gradients, for those that are zero but for rounding."""
LOSSES = 1e-4
"""Allowed difference of the mean loss of a step."""
WEIGHTS = 2e-2
"""Allowed difference of the weights after all steps, as a share of their way.

Adam's first steps have the size of the learning rate whatever the size of a gradient, so where
that is rounding alone they go either way.
"""


def in_both(ways: Ways, work: Callable[[], Found]) -> tuple[Found, Found]:
    """Do the work in both ways."""
    found = []
    for way in ways:
        with way.taken():
            found.append(work())
    return found[0], found[1]


def logits(subjects: list[Subject], ways: Ways) -> Iterator[Measure]:
    """The logits of every subject."""
    for subject in subjects:
        own, other = in_both(ways, partial(logits_of, subject))
        yield Measure(f"{subject.name}, a logit", largest(own - other) / largest(other), LOGITS)


def logits_of(subject: Subject) -> np.ndarray:
    """The logits, computed now: the present way must still be the same then."""
    return np.array(subject.logits())


def gradients(subjects: list[Subject], ways: Ways) -> Iterator[Measure]:
    """The gradient of every parameter of every subject."""
    for subject in subjects:
        own, other = in_both(ways, subject.gradients)
        overall = norm(other)
        for name, gradient in other.items():
            error = norm({name: own[name] - gradient})
            allowed = GRADIENTS * norm({name: gradient}) + NOISE * overall
            yield Measure(f"{subject.name}, {name}", error, allowed)


def training_steps(subjects: list[Subject], ways: Ways) -> Iterator[Measure]:
    """Losses of, and weights after, ten steps of every subject."""
    for subject in subjects:
        own, other = in_both(ways, partial(trained, subject))
        for number, losses in enumerate(zip(own.losses, other.losses, strict=True), 1):
            error = abs(losses[0] - losses[1])
            yield Measure(f"{subject.name}, loss of step {number}", error, LOSSES)
        names = [name for name in subject.weights if not is_noise(name)]
        way = norm({name: other.weights[name] - subject.weights[name] for name in names})
        apart = norm({name: own.weights[name] - other.weights[name] for name in names})
        yield Measure(f"{subject.name}, weights after {STEPS} steps", apart / way, WEIGHTS)


@dataclass
class Trained:
    """The losses of all steps, and the weights after them."""

    losses: list[float]
    weights: Arrays


def trained(subject: Subject) -> Trained:
    """Train for ten steps."""
    losses = []
    for loss, parameters in subject.steps(STEPS):
        losses.append(loss)
        last = parameters
    return Trained(losses, to_numpy(last, np.float32))
