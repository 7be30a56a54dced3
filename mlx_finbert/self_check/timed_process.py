"""A process that times one model: `python -m mlx_finbert.self_check.timed_process CASE`.

CASE is a `Case` as JSON, and so is the `Timing` that it writes. Each case has a process of its own,
with the environment of the user: `check` itself turns TF32 off. One that runs out of memory does
not end the check.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

from mlx_finbert.backend.process import prefer_memory, prepare_process
from mlx_finbert.files.json_text import parse_json


@dataclass(frozen=True)
class Case:
    """A model, the shape of its batches and a precision."""

    model: str
    config: dict[str, Any]
    rows: int
    tokens: int
    precision: str
    gradient_checkpointing: bool
    longest_step: float
    """Seconds; a case whose steps would take longer is only estimated."""

    @property
    def name(self) -> str:
        again = ", gradient checkpointing" if self.gradient_checkpointing else ""
        return f"{self.model} {self.rows} x {self.tokens}, {self.precision}{again}"


@dataclass(frozen=True)
class Timing:
    """The figures of a case."""

    name: str
    step_ms: float | None = None
    """Median time of a training step; None if it was only estimated, or failed."""
    estimated_step_s: float | None = None
    """Estimated from a smaller batch."""
    texts_per_second: float | None = None
    """Of `TEXT` tokens each, without tokenization."""
    peak_gb: float | None = None
    """Peak memory of training, as MLX counts it."""
    fault: str = ""

    def __str__(self) -> str:
        if self.fault:
            return f"{self.name}: not timed: {self.fault}"
        texts = f", {self.texts_per_second:,.0f} texts a second" if self.texts_per_second else ""
        if self.step_ms is None:
            return f"{self.name}: about {self.estimated_step_s:.0f} s a step (estimated){texts}"
        return f"{self.name}: {self.step_ms:,.0f} ms a step, {self.peak_gb:.1f} GB{texts}"


SMALLER = (2, 64), (8, 64)
"""Rows and tokens of the two batches that the estimate is made from."""
TEXT = 32
"""Tokens of a text, about a headline or a sentence."""
TEXTS = 32
LEAST, ENOUGH = 2, 20
"""Number of repetitions that are timed."""
SECONDS = 3.0
"""No more repetitions are started after this time."""


def timed(case: Case) -> Timing:
    """Time training steps, and predictions, of a model with random weights."""
    import mlx.core as mx

    from mlx_finbert.backend.interface import adapt
    from mlx_finbert.inference.logits import Forward
    from mlx_finbert.models import build

    mx.random.seed(0)
    model = adapt(build(case.config))
    model.encoder.gradient_checkpointing = case.gradient_checkpointing
    mx.eval(model.parameters())
    step = training_step(model, case)
    estimate = estimated(step, case)
    step_ms = peak_gb = None
    if estimate <= case.longest_step:
        step_ms = 1000 * repeated(lambda: step(case.rows, case.tokens))
        peak_gb = mx.get_peak_memory() / 1e9
    model.set_dtype(getattr(mx, case.precision))
    forward, texts = Forward(model), made_up_batch(case, TEXTS, TEXT)
    # Two batches at a time, as files are scored: on Linux's CPU each has a stream of its own.
    pair = repeated(lambda: mx.eval(forward(texts, 0), forward(texts, 1)))
    return Timing(case.name, step_ms, estimate, 2 * TEXTS / pair, peak_gb)


def training_step(model: Any, case: Case) -> Callable[[int, int], None]:
    """A function that trains one step on a batch of so many rows and tokens, and waits for it."""
    import numpy as np

    from mlx_finbert.data.loader import Update
    from mlx_finbert.models.parameters import named_parameters
    from mlx_finbert.training.loss import Loss
    from mlx_finbert.training.optimizer import Adam, make_groups
    from mlx_finbert.training.step import TrainStep

    groups = make_groups(named_parameters(model), len(model.encoder.layer))
    loss = Loss(np.ones(model.args.num_labels, np.float32))
    precision: Any = case.precision
    step = TrainStep(model, groups, Adam(0.01), loss, precision=precision)
    numbers = itertools.count()

    def run(rows: int, tokens: int) -> None:
        batch = made_up_batch(case, rows, tokens)
        step(Update(batch.rows, batch.rows + 1, batch.label_ids, [batch]), next(numbers), 1e-5)
        step.wait()

    return run


def estimated(step: Callable[[int, int], None], case: Case) -> float:
    """Seconds of a step of the case: a part by token, and one, Adam's, that is always the same."""
    taken = []
    for shape in SMALLER:
        step(*shape)
        taken.append(seconds(partial(step, *shape)))
    tokens = [rows * length for rows, length in SMALLER]
    by_token = max(0.0, (taken[1] - taken[0]) / (tokens[1] - tokens[0]))
    return taken[1] + by_token * max(0, case.rows * case.tokens - tokens[1])


def made_up_batch(case: Case, rows: int, tokens: int) -> Any:
    """Random tokens without padding."""
    import numpy as np

    from mlx_finbert.data.loader import Batch

    ids = np.random.default_rng(0).integers(5, case.config["vocab_size"], (rows, tokens))
    labels, weights = np.zeros(rows, np.int32), np.ones(rows, np.float32)
    ids = ids.astype(np.int32)
    return Batch(ids, np.ones_like(ids), labels, weights, np.arange(rows))


def seconds(work: Callable[[], object]) -> float:
    """The duration of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def repeated(work: Callable[[], object]) -> float:
    """The median duration of several calls, after one that is not counted."""
    work()
    taken: list[float] = []
    while len(taken) < LEAST or (len(taken) < ENOUGH and sum(taken) < SECONDS):
        taken.append(seconds(work))
    return median(taken)


def main() -> None:
    """Time the case of the command line."""
    case = Case(**parse_json(sys.argv[1]))
    prepare_process()
    if case.gradient_checkpointing:
        # Only has an effect before MLX computes.
        prefer_memory()
    sys.stdout.write(json.dumps(asdict(timed(case))) + "\n")


if __name__ == "__main__":
    main()
