"""One update of the weights: gradients of a few batches, then Adam, both compiled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.backend.interface import compile_update, compiled_value_and_grad, squared_norm
from mlx_finbert.backend.process import kernel_problem
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.distributed import BACKENDS
from mlx_finbert.errors import first_line
from mlx_finbert.models.parameters import Arrays, named_parameters, tree
from mlx_finbert.training.loss import LossScale, Precision, loss_of_parameters
from mlx_finbert.training.objective import Objective
from mlx_finbert.training.optimizer import Adam, AdamState, ParamGroup
from mlx_finbert.training.state import StepOutput

INTACT = "model and optimizer are unchanged"
LOST = "the weights are lost: resume from the last checkpoint"


class StepFailed(Exception):
    """An update could not be computed; the message names it and says what was lost."""

    def __init__(self, message: str, weights_lost: bool) -> None:
        super().__init__(message)
        self.weights_lost = weights_lost


@contextmanager
def named(number: int, update: Update, outcome: str) -> Iterator[None]:
    """Turn exceptions inside the block into `StepFailed`.

    A lost connection to another process is raised unchanged, for `distributed.guarded`, and so is
    a kernel that could not be built, whose remedy the commands tell.
    """
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        if str(error).startswith(BACKENDS) or kernel_problem(error):
            raise
        rows = ", ".join(map(str, update.numbers[:8]))
        more = ", ..." if len(update.rows) > 8 else ""
        shapes = " and ".join(sorted({str(batch.input_ids.shape) for batch in update.batches}))
        raise StepFailed(
            f"update {number + 1} failed (training rows {rows}{more}, batch shape {shapes}):"
            f" {first_line(error)}; {outcome}",
            weights_lost=outcome == LOST,
        ) from error


@dataclass
class StepState:
    """The state that an update changes, in addition to the weights."""

    adam: AdamState
    scale: LossScale
    diverged: mx.array
    """bool scalar: a loss or gradient was not finite, and later updates change nothing."""

    def arrays(self) -> dict[str, Arrays]:
        """The arrays by part and name, as in a checkpoint."""
        adam = {"m": self.adam.m, "v": self.adam.v, "step": self.adam.step}
        return adam | {"scale": self.scale.arrays(), "ended": {"diverged": self.diverged}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Arrays]) -> "StepState":
        """Build from the result of `arrays`."""
        adam = AdamState(arrays["m"], arrays["v"], arrays["step"])
        return cls(adam, LossScale(**arrays["scale"]), arrays["ended"]["diverged"])


@dataclass
class TrainStep:
    """Train a model, one update per call.

    A call returns while its update is still being computed, so that the host can prepare the next
    one. The next update starts when this one has ended, and nothing is read back until it is
    needed. Everything that changes between updates (weights, moments, learning rate, dropout key)
    is an argument of the compiled functions; otherwise it would keep its first value. The gradients
    are traced once for each batch shape, Adam once; both are traced again when a group of
    parameters is unfrozen. Outside of this class the model always holds float32 weights.
    """

    model: nn.Module
    groups: list[ParamGroup]
    optimizer: Adam
    objective: Objective
    max_grad_norm: float = 1.0
    precision: Precision = "float32"
    seed: int = 0
    """Seed of dropout; masks depend only on the seed, the update, the batch and the process."""
    processes: mx.distributed.Group = field(default_factory=mx.distributed.init)

    def __post_init__(self) -> None:
        adam = self.optimizer.init(self._parameters(), self.groups)
        self.state = StepState(adam, LossScale.start(self.precision), mx.array(False))
        mx.eval(self.state.arrays())
        self.traces = 0
        """Number of times the gradients were traced."""
        self._active: list[ParamGroup] = []
        self._pending: StepOutput | None = None

    def __call__(
        self, update: Update, number: int, learning_rate: float, stop: bool = False
    ) -> StepOutput:
        """Compute one update of the weights.

        Args:
            update: the rows of the update and the batches of this process.
            number: number of the update, from 0.
            learning_rate: learning rate of the groups with a rate of 1.
            stop: whether this process was asked to stop; all processes see it in the output.

        Raises:
            StepFailed: names the update and its rows. This may be the previous update, whose
                failure shows only when this call waits for it; its weights are then lost. Otherwise
                model and optimizer are unchanged.
        """
        self._activate(number)
        weight = self.objective.total_weight(update)
        with named(number, update, INTACT):
            gradients, sums = self._gathered(*self._gradients_of(update, number, weight, stop))
            parameters, state, figures = self._updated(gradients, sums, learning_rate)
            # Two updates at the same time would need twice the memory.
            self.wait()
            mx.async_eval(gradients, sums)
            del gradients
        # Adam now reuses the memory of the old weights, so a failure cannot be undone.
        with named(number, update, LOST):
            self.model.update(tree(parameters))
            self.state = state
            del parameters, state
            mx.async_eval(self._parameters(), self.state.arrays(), figures)
        self._pending = StepOutput(number, update, learning_rate, weight, figures)
        return self._pending

    def wait(self) -> None:
        """Wait for the end of the last update.

        Raises:
            StepFailed: if it could not be computed; its weights are then lost.
        """
        pending, self._pending = self._pending, None
        if pending:
            with named(pending.number, pending.update, LOST):
                mx.eval(pending.computed)

    def _activate(self, number: int) -> None:
        """Compile again if the groups to train in this update have changed."""
        active = [group for group in self.groups if group.start <= number]
        if active == self._active:
            return
        self.wait()
        self._active = active
        parameters, learning = self._parameters(), self._learning()
        frozen = {name: value for name, value in parameters.items() if name not in learning}
        loss = loss_of_parameters(self.model, self.objective, frozen, self.precision)
        self._value_and_grad = compiled_value_and_grad(loss)
        self._shapes: set[tuple[int, ...]] = set()
        self._clip_and_check = mx.compile(self._clipping)
        self._adam = compile_update(
            self.optimizer.updating(active), {name: x.size for name, x in learning.items()}
        )

    def _gradients_of(
        self, update: Update, number: int, weight: float, stop: bool
    ) -> tuple[Arrays, mx.array]:
        """This process's part of the mean gradients, times the loss scale, and its figures.

        The figures are (3,): the summed loss, the number of correct examples, and whether to stop.
        """
        parameters, factor = self._learning(), self.state.scale.value / weight
        gradients: Arrays = {}
        sums = mx.zeros(2)
        for i, batch in enumerate(update.batches):
            if i:
                # Free the activations of a batch before the next one needs memory.
                self.wait()
                mx.eval(gradients, sums)
            key = dropout_key(self.seed, number, i, self.processes.rank())
            (_, figures), more = self._value_and_grad(parameters, self._rows(batch), key, factor)
            gradients = {name: gradients[name] + g for name, g in more.items()} if i else more
            sums = sums + figures
        return gradients, mx.concatenate([sums, mx.array([float(stop)])])

    def _rows(self, batch: Batch) -> tuple[mx.array, ...]:
        """The objective's arrays, on the device."""
        if batch.input_ids.shape not in self._shapes:
            self._shapes.add(batch.input_ids.shape)
            self.traces += 1
        return tuple(map(mx.array, self.objective.arrays(batch)))

    def _gathered(self, gradients: Arrays, sums: mx.array) -> tuple[Arrays, mx.array]:
        """Sum the gradients and figures over all processes."""
        if self.processes.size() > 1:
            # A sum, not a mean: each process has already divided by the weight of all rows.
            means = nn.average_gradients(list(gradients.values()), self.processes)
            totals = [mean * self.processes.size() for mean in means]
            gradients = dict(zip(gradients, totals, strict=True))
            sums = mx.distributed.all_sum(sums, group=self.processes)
        return gradients, sums

    def _updated(
        self, gradients: Arrays, sums: mx.array, learning_rate: float
    ) -> tuple[Arrays, StepState, mx.array]:
        """Weights, state and figures after the update, not yet evaluated."""
        adam, learning = self.state.adam, self._learning()
        moves, clip, scale, diverged, figures = self._clip_and_check(
            gradients, sums, self.state.scale.arrays(), self.state.diverged
        )
        moments = {n: adam.m[n] for n in learning}, {n: adam.v[n] for n in learning}
        parameters, m, v, step = self._adam(
            (learning, gradients, *moments), adam.step, mx.array(learning_rate), moves, clip
        )
        adam = AdamState(adam.m | m, adam.v | v, adam.step | step)
        return parameters, StepState(adam, LossScale(**scale), diverged), figures

    def _clipping(
        self, gradients: Arrays, sums: mx.array, scale: Arrays, diverged: mx.array
    ) -> tuple[mx.array, mx.array, Arrays, mx.array, mx.array]:
        """Decide whether the update counts, and how to scale its gradients; for `mx.compile`."""
        before = LossScale(**scale)
        norm = mx.sqrt(squared_norm(gradients)) / before.value
        finite = mx.isfinite(norm) & mx.isfinite(sums[0])
        moves, after = finite & ~diverged, before.after(finite)
        # An overflow of float16 only halves the loss scale, unless the scale is already at 1.
        diverged = diverged | ~mx.isfinite(sums[0]) | (~finite & (after.value <= 1))
        # As in `torch.nn.utils.clip_grad_norm_`.
        clip = mx.minimum(1.0, self.max_grad_norm / (norm + 1e-6)) / before.value
        figures = mx.concatenate([sums, mx.stack([norm, moves, diverged])])
        return moves, clip, after.arrays(), diverged, figures

    def _parameters(self) -> Arrays:
        return named_parameters(self.model)

    def _learning(self) -> Arrays:
        parameters = self._parameters()
        return {name: parameters[name] for group in self._active for name in group.parameters}


def dropout_key(*numbers: int) -> mx.array:
    """A key, uint32 (2,), from these numbers alone, so that checkpoints need no random state."""
    return mx.array(np.random.SeedSequence(numbers).generate_state(2, np.uint32))
