"""One update of the weights: gradients of a few batches, then Adam, both compiled."""

from dataclasses import dataclass, field

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.backend.interface import compile_update, compiled_value_and_grad, squared_norm
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import Arrays, named_parameters, tree
from mlx_finbert.training.args import Precision
from mlx_finbert.training.failure import INTACT, LOST, named
from mlx_finbert.training.loss import Loss, loss_of_parameters
from mlx_finbert.training.loss_scale import LossScale
from mlx_finbert.training.optimizer import Adam, AdamState, ParamGroup
from mlx_finbert.training.state import StepOutput


@dataclass
class StepState:
    """What an update changes besides the weights."""

    adam: AdamState
    scale: LossScale
    diverged: mx.array
    """bool scalar: a loss or gradient was not finite, and no later update moves anything."""

    def arrays(self) -> dict[str, Arrays]:
        """By part and name, as a checkpoint holds them."""
        adam = {"m": self.adam.m, "v": self.adam.v, "step": self.adam.step}
        return adam | {"scale": self.scale.arrays(), "ended": {"diverged": self.diverged}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Arrays]) -> "StepState":
        """Back from `arrays`."""
        adam = AdamState(arrays["m"], arrays["v"], arrays["step"])
        return cls(adam, LossScale(**arrays["scale"]), arrays["ended"]["diverged"])


@dataclass
class TrainStep:
    """Changes a model, update by update.

    A call returns while its update is still computed, so that the host prepares the next one
    meanwhile; that one starts when this one has ended, and nothing is read back before somebody
    asks. What differs from update to update (weights, moments, learning rate, the key of dropout)
    goes into the compiled functions as arguments, or it would be frozen at its first value. The
    gradients are traced once for each shape of a batch, Adam once; both anew when a group of
    parameters is unfrozen. The model always holds float32 weights outside of this class.
    """

    model: Classifier
    groups: list[ParamGroup]
    optimizer: Adam
    loss: Loss
    max_grad_norm: float = 1.0
    precision: Precision = "float32"
    seed: int = 0
    """Of dropout; its masks depend on the seed, the update, the batch and the process alone."""
    processes: mx.distributed.Group = field(default_factory=mx.distributed.init)

    def __post_init__(self) -> None:
        adam = self.optimizer.init(self._parameters(), self.groups)
        self.state = StepState(adam, LossScale.start(self.precision), mx.array(False))
        mx.eval(self.state.arrays())
        self.traces = 0
        """How often the gradients were traced."""
        self._active: list[ParamGroup] = []
        self._pending: StepOutput | None = None

    def __call__(
        self, update: Update, number: int, learning_rate: float, stop: bool = False
    ) -> StepOutput:
        """Move the weights by one update.

        Args:
            update: its rows and this process's batches.
            number: of the update, from 0.
            learning_rate: of the groups whose rate is 1.
            stop: whether this process is asked to stop; the output tells every process.

        Raises:
            StepFailed: names the update and its rows, which may be the update before: what fails
                while it is computed shows when it is waited for, and its weights are lost then.
                Otherwise model and optimizer are as before the update.
        """
        self._activate(number)
        weight = self.loss.total_weight(update.labels)
        with named(number, update, INTACT):
            gradients, sums = self._gathered(*self._gradients_of(update, number, weight, stop))
            parameters, state, figures = self._updated(gradients, sums, learning_rate)
            # Two updates at once would need the memory of both.
            self.wait()
            mx.async_eval(gradients, sums)
            del gradients
        # From here on Adam works in the memory of what was before: there is no way back.
        with named(number, update, LOST):
            self.model.update(tree(parameters))
            self.state = state
            del parameters, state
            mx.async_eval(self._parameters(), self.state.arrays(), figures)
        self._pending = StepOutput(number, update, learning_rate, weight, figures)
        return self._pending

    def wait(self) -> None:
        """Until the last update has ended.

        Raises:
            StepFailed: where it could not be computed; its weights are lost then.
        """
        pending, self._pending = self._pending, None
        if pending:
            with named(pending.number, pending.update, LOST):
                mx.eval(pending.computed)

    def restore(self, state: StepState) -> None:
        """Go on from a state, and from the weights that the model has now."""
        self.state = state

    def _activate(self, number: int) -> None:
        """Compile for the groups that learn in this update, where they are others than before."""
        active = [group for group in self.groups if group.start <= number]
        if active == self._active:
            return
        self.wait()
        self._active = active
        parameters, learning = self._parameters(), self._learning()
        frozen = {name: value for name, value in parameters.items() if name not in learning}
        loss = loss_of_parameters(self.model, self.loss, frozen, self.precision)
        self._value_and_grad = compiled_value_and_grad(loss)
        self._shapes: set[tuple[int, ...]] = set()
        self._clip_and_check = mx.compile(self._clipping)
        self._adam = compile_update(
            self.optimizer.updating(active), {name: x.size for name, x in learning.items()}
        )

    def _gradients_of(
        self, update: Update, number: int, weight: float, stop: bool
    ) -> tuple[Arrays, mx.array]:
        """This process's part of the mean gradients, times the loss scale.

        And (3,): the summed loss, how many examples were right, and whether to stop.
        """
        parameters, factor = self._learning(), self.state.scale.value / weight
        gradients: Arrays = {}
        sums = mx.zeros(2)
        for i, batch in enumerate(update.batches):
            if i:
                # The activations of a batch are to be gone before those of the next one come.
                self.wait()
                mx.eval(gradients, sums)
            key = dropout_key(self.seed, number, i, self.processes.rank())
            (_, figures), more = self._value_and_grad(parameters, self._rows(batch), key, factor)
            gradients = {name: gradients[name] + g for name, g in more.items()} if i else more
            sums = sums + figures
        return gradients, mx.concatenate([sums, mx.array([float(stop)])])

    def _rows(self, batch: Batch) -> tuple[mx.array, ...]:
        """Ids and mask, (R, L), labels and weights, (R, E), on the device."""
        if batch.input_ids.shape not in self._shapes:
            self._shapes.add(batch.input_ids.shape)
            self.traces += 1
        places = len(batch.input_ids), -1
        labels, weights = batch.labels.reshape(places), batch.weights.reshape(places)
        return tuple(map(mx.array, (batch.input_ids, batch.attention_mask, labels, weights)))

    def _gathered(self, gradients: Arrays, sums: mx.array) -> tuple[Arrays, mx.array]:
        """Gradients and figures of all processes together."""
        if self.processes.size() > 1:
            # Each process has divided by the weight of all rows: what counts is the sum.
            means = nn.average_gradients(list(gradients.values()), self.processes)
            totals = [mean * self.processes.size() for mean in means]
            gradients = dict(zip(gradients, totals, strict=True))
            sums = mx.distributed.all_sum(sums, group=self.processes)
        return gradients, sums

    def _updated(
        self, gradients: Arrays, sums: mx.array, learning_rate: float
    ) -> tuple[Arrays, StepState, mx.array]:
        """Weights, state and figures after the update, not yet computed."""
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
        """Whether the update counts, and by what its gradients are multiplied; for `mx.compile`."""
        before = LossScale(**scale)
        norm = mx.sqrt(squared_norm(gradients)) / before.value
        finite = mx.isfinite(norm) & mx.isfinite(sums[0])
        moves, after = finite & ~diverged, before.after(finite)
        # An overflow of float16 is not one: it halves the scale, unless that is at its end.
        diverged = diverged | ~mx.isfinite(sums[0]) | (~finite & (after.value <= 1))
        # As `torch.nn.utils.clip_grad_norm_` has it.
        clip = mx.minimum(1.0, self.max_grad_norm / (norm + 1e-6)) / before.value
        figures = mx.concatenate([sums, mx.stack([norm, moves, diverged])])
        return moves, clip, after.arrays(), diverged, figures

    def _parameters(self) -> Arrays:
        return named_parameters(self.model)

    def _learning(self) -> Arrays:
        parameters = self._parameters()
        return {name: parameters[name] for group in self._active for name in group.parameters}


def dropout_key(*numbers: int) -> mx.array:
    """A key, uint32 (2,), that these numbers alone decide: nothing to save, nothing to restore."""
    return mx.array(np.random.SeedSequence(numbers).generate_state(2, np.uint32))
