"""Checks of whole models, of their training and of half precision against NumPy in float64."""

from collections.abc import Iterator
from math import sqrt

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import compile_update
from mlx_finbert.self_check import formulas
from mlx_finbert.self_check.layers import largest
from mlx_finbert.self_check.numpy_models import NumpyClassifier
from mlx_finbert.self_check.outcome import Measure
from mlx_finbert.self_check.subjects import (
    CLASS_WEIGHTS,
    MAX_GRAD_NORM,
    SMOOTHING,
    WEIGHT_DECAY,
    Arrays,
    Subject,
    to_numpy,
)
from mlx_finbert.training.optimizer import Adam, ParamGroup

LOGITS = 2e-5
"""Allowed error of a logit, relative to the largest one."""

STEP = 1e-5
"""Distance at which the loss is computed to both sides, for a directional derivative."""
GRADIENTS = 1e-4
"""Allowed error of a derivative, as a share of its usual size."""
NOISE = 1e-6
"""Allowed error of a derivative in terms of all gradients: that of a key's bias is zero but for
rounding."""

STEPS = 10
UPDATES = 5e-3
"""Allowed error of the weights after a step, as a share of their way.

Adam's first step has the size of the learning rate for any gradient, so with gradients that are off
by a millionth, one in a million of them of either sign, it is off by a thousandth.
"""
SINGLE_UPDATES = 5e-4
"""The same for the optimizer alone, in learning rates. In float32, 1 - 0.999 is off by 1.3e-5."""

SIGNIFICANT_BITS = {"bfloat16": 8, "float16": 11}
"""The stored bits of the significand, and the leading one (IEEE 754-2019, table 3.5)."""
HALF_PRECISION = 4.0
"""Allowed error in half precision, in terms of that of rounding every result once."""


def logits(subject: Subject) -> Iterator[Measure]:
    """The logits of a model."""
    expected = subject.expected_logits
    error = largest(np.array(subject.logits()) - expected) / largest(expected)
    yield Measure("largest error of a logit", error, LOGITS)


def gradients(subject: Subject) -> Iterator[Measure]:
    """The gradient of every parameter, along itself and in a random direction.

    By central differences (Abramowitz and Stegun, 25.3.21). Along itself a wrong size shows, in a
    random direction what is missing.
    """
    found = subject.gradients()
    overall = norm(found)
    random = np.random.default_rng(0)
    for name, gradient in found.items():
        size = float(np.linalg.norm(gradient))
        signs = random.choice([-1.0, 1.0], gradient.shape) / sqrt(gradient.size)
        directions = [("", signs, size / sqrt(gradient.size))]
        if size > NOISE * overall:
            directions.append((" along itself", gradient / size, size))
        for way, direction, usual in directions:
            error = abs(float((gradient * direction).sum()) - derivative(subject, name, direction))
            yield Measure(name + way, error, GRADIENTS * usual + NOISE * overall)


def derivative(subject: Subject, name: str, direction: np.ndarray) -> float:
    """The derivative of the mean loss in a direction of one parameter."""

    def loss(distance: float) -> float:
        moved = subject.weights[name].astype(np.float64) + distance * direction
        model = NumpyClassifier(subject.config, subject.weights | {name: moved})
        return formulas.cross_entropy(
            model.logits(subject.texts),
            subject.label_ids,
            CLASS_WEIGHTS.astype(np.float64),
            SMOOTHING,
        )

    return (loss(STEP) - loss(-STEP)) / (2 * STEP)


def optimizer() -> Iterator[Measure]:
    """Adam on gradients of very different sizes, apart from any model."""
    random = np.random.default_rng(0)
    shapes = {"matrix": (48, 24), "vector": (24,), "other vector": (7,)}
    start = {name: random.normal(0, 0.02, shape) for name, shape in shapes.items()}
    weights = {name: mx.array(value.astype(np.float32)) for name, value in start.items()}
    adam, groups = Adam(WEIGHT_DECAY), [ParamGroup("all", tuple(shapes), rate=0.5)]
    update = compile_update(adam.updating(groups), {n: x.size for n, x in weights.items()})
    state, expected_adam = adam.init(weights, groups), formulas.AdamW(WEIGHT_DECAY)
    m, v, step = state.m, state.v, state.step
    expected = to_numpy(weights, np.float64)
    for number in range(STEPS):
        rate, clip = 1e-3 * (1 + number % 3), 0.25
        drawn = {name: drawn_gradient(random, shape) for name, shape in shapes.items()}
        given = {name: mx.array(value) for name, value in drawn.items()}
        scalars = step, mx.array(rate), mx.array(True), mx.array(clip)
        weights, m, v, step = update((weights, given, m, v), *scalars)
        clipped = {name: clip * value.astype(np.float64) for name, value in drawn.items()}
        expected = expected_adam(expected, clipped, 0.5 * rate)
        for name, value in weights.items():
            error = largest(np.array(value) - expected[name]) / 1e-3
            yield Measure(f"{name}, step {number + 1}", error, SINGLE_UPDATES)


def drawn_gradient(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from about 1e-8 to 1, float32."""
    return (random.normal(0, 1, shape) * 10 ** random.uniform(-8, 0, shape)).astype(np.float32)


def training_steps(subject: Subject) -> Iterator[Measure]:
    """Clipping, Adam and weight decay, from the weights and gradients of each of ten steps."""
    adam = formulas.AdamW(WEIGHT_DECAY)
    weights = subject.weights
    for number, (_, parameters) in enumerate(subject.steps(STEPS), 1):
        after = to_numpy(parameters, np.float32)
        clipped = formulas.clipped(subject.gradients(weights), MAX_GRAD_NORM)
        before = {name: value.astype(np.float64) for name, value in weights.items()}
        expected = adam(before, clipped, subject.learning_rate)
        names = [name for name in after if not is_noise(name)]
        way = norm({name: expected[name] - before[name] for name in names})
        error = norm({name: after[name] - expected[name] for name in names}) / way
        yield Measure(f"weights after step {number}", error, UPDATES)
        weights = after


def half_precision(subjects: list[Subject], precision: str) -> Iterator[Measure]:
    """Logits in half precision: about as wrong as rounding every result once makes them."""
    bits = SIGNIFICANT_BITS[precision]
    for subject in subjects:
        computed = subject.logits(getattr(mx, precision))
        yield Measure("other dtype", float(str(computed.dtype) != f"mlx.core.{precision}"), 0.0)
        exact = subject.expected_logits
        rounded = NumpyClassifier(
            subject.config, subject.weights, lambda x: formulas.rounded_to(bits, x)
        )
        usual = rms(rounded.logits(subject.texts) - exact)
        error = rms(np.array(computed.astype(mx.float32)) - exact)
        yield Measure(f"{subject.name}, {bits} significant bits", error, HALF_PRECISION * usual)


def is_noise(name: str) -> bool:
    """Whether a parameter is a key's bias, whose gradient is rounding alone: softmax cancels it."""
    return name.endswith(("key.bias", "k_lin.bias"))


def norm(arrays: Arrays) -> float:
    """The norm of all elements together."""
    return sqrt(sum(float(np.square(x).sum()) for x in arrays.values()))


def rms(x: np.ndarray) -> float:
    return sqrt(float(np.square(x).mean()))
