"""Checks of dropout against its definition, and of layers that are computed twice with it."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import adapt
from mlx_finbert.models.dropout import Dropout, dropout_from
from mlx_finbert.self_check.layers import largest
from mlx_finbert.self_check.outcome import Measure
from mlx_finbert.self_check.subjects import Subject

RATES = (0.1, 0.5)
COUNT = 2**20
STANDARD_ERRORS = 5.0
"""A share of random elements is this far from its mean once in two million draws."""
SCALE_ERROR = 2e-5
"""The rate is rounded to a multiple of 2^-16, and the scale with it."""

KEYS = [1, 2], [3, 4]


def dropout(subject: Subject) -> Iterator[Measure]:
    """Share and scale of what is kept, the gradient, and what the seed decides."""
    for rate in RATES:
        yield from definition(rate)
    yield from seeds(subject)


def definition(rate: float) -> Iterator[Measure]:
    """Srivastava et al. 2014, section 10, with the scale applied in training."""
    kept = 1 - rate
    layer = adapt(Dropout(rate))
    ones = mx.ones((COUNT // 256, 256))

    def apply(key: list[int], x: mx.array = ones) -> mx.array:
        with dropout_from(mx.array(key, mx.uint32)):
            return layer(x)

    first, again, other = (np.array(apply(key)) for key in (KEYS[0], KEYS[0], KEYS[1]))
    name = f"rate {rate:g}: "
    is_kept = first != 0
    spread = STANDARD_ERRORS * sqrt(rate * kept / COUNT)
    yield Measure(name + "share that is kept", abs(float(is_kept.mean()) - kept), spread)
    scale_error = largest(first[is_kept] * kept - 1) if is_kept.any() else 1.0
    yield Measure(name + "scale of what is kept", scale_error, SCALE_ERROR)
    yield Measure(name + "the same key drops the same", largest(first - again), 0.0)
    agreement = float((is_kept == (other != 0)).mean())
    by_chance = rate**2 + kept**2
    spread = STANDARD_ERRORS * sqrt(by_chance * (1 - by_chance) / COUNT)
    yield Measure(name + "other keys drop others", abs(agreement - by_chance), spread)
    gradient = mx.grad(lambda x: apply(KEYS[0], x).sum())(ones)
    yield Measure(name + "gradient", largest(np.array(gradient) - first), 1e-6)
    yield Measure(name + "off without a key", largest(np.array(layer(ones)) - 1), 0.0)


def seeds(subject: Subject) -> Iterator[Measure]:
    """The same for a whole model, which draws one key for each of its layers."""
    dropping = with_dropout(subject)
    keys = [mx.array(key, mx.uint32) for key in KEYS]
    first, again, other = (np.array(dropping.logits(key=key)) for key in (keys[0], *keys))
    yield Measure("the same key gives the same logits", largest(first - again), 0.0)
    yield Measure("other keys give other logits", float(np.array_equal(first, other)), 0.0)
    off = np.array(dropping.logits()) - np.array(subject.logits())
    yield Measure("a model drops nothing without a key", largest(off), 1e-6)


def computed_again(subject: Subject) -> Iterator[Measure]:
    """Gradients with dropout and gradient checkpointing, which computes the layers twice."""
    dropping = with_dropout(subject)
    once = dropping.gradients()
    twice = replace(dropping, gradient_checkpointing=True).gradients()
    size = max(largest(gradient) for gradient in once.values())
    for name, gradient in once.items():
        yield Measure(name, largest(twice[name] - gradient) / size, 1e-5)


def with_dropout(subject: Subject) -> Subject:
    """The same model with dropout at the usual rates."""
    rates: dict[str, Any] = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    return replace(subject, config=subject.config | rates)
