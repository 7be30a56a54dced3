"""One update of the weights: gradients of a few batches, compiled, then Adam, compiled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.errors import first_line
from mlx_finbert.models import Classifier
from mlx_finbert.models.encoder import holding
from mlx_finbert.training.groups import Group
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam, Arrays, State
from mlx_finbert.training.precision import LossScale, Precision, cast

Gradients = Callable[..., tuple[Arrays, mx.array]]
Apply = Callable[..., tuple[Arrays, State]]


@dataclass
class Figures:
    """What one update showed, over the rows of all processes."""

    loss: float
    """Summed over the rows, each with its label's weight."""
    weight: float
    """The sum of these weights: `loss / weight` is the mean loss."""
    correct: float
    examples: int
    grad_norm: float
    """Of all gradients together, before clipping."""
    moved: bool
    """False where the gradients were not finite: the weights are then as before."""
    stop: bool
    """Whether any process was asked to stop."""


class StepFailed(Exception):
    """An update could not be computed; the message names it and says what is left."""


@dataclass
class TrainStep:
    """Changes a model, update by update.

    What differs from update to update (weights, moments, learning rate, the key of dropout) goes
    into the compiled functions as arguments, or it would be frozen at its first value. The
    gradients are traced once for each shape of a batch, Adam once; both anew when a group of
    parameters is unfrozen. The model always holds float32 weights outside of this class.
    """

    model: Classifier
    groups: list[Group]
    optimizer: Adam
    loss: Loss
    max_grad_norm: float = 1.0
    precision: Precision = "float32"
    seed: int = 0
    """Of dropout; its masks depend on the seed, the update, the batch and the process alone."""
    processes: mx.distributed.Group = field(default_factory=mx.distributed.init)
    traces: int = field(default=0, init=False)
    """How often the gradients were traced."""

    def __post_init__(self) -> None:
        self.scale = LossScale.for_precision(self.precision)
        self.state: State = self.optimizer.init(named_parameters(self.model), self.groups)
        mx.eval(self.state)
        self._active: list[Group] = []
        self._norm = mx.compile(global_norm)

    def __call__(
        self, update: Update, number: int, learning_rate: float, stop: bool = False
    ) -> Figures:
        """Move the weights by one update.

        Args:
            update: its rows and this process's batches.
            number: of the update, from 0.
            learning_rate: of the groups whose rate is 1.
            stop: whether this process is asked to stop; the figures tell every process.

        Raises:
            StepFailed: names the update and its rows. Model and optimizer are as before it, unless
                the very last operations, Adam's own, could not be computed; it says which.
        """
        self._activate(number)
        weight = self.loss.total_weight(update.labels)
        with named(number, update, "model and optimizer are as before it"):
            gradients, sums = self._gradients_of(update, number, weight, stop)
        gradients, norm, (loss, correct, stops) = self._gathered(gradients, sums)
        grad_norm = norm / self.scale.value
        if moved := isfinite(grad_norm):
            clipped = min(1.0, self.max_grad_norm / (grad_norm + 1e-6)) / self.scale.value
            with named(number, update, "model and optimizer are as before it"):
                moved_to = self._moved(gradients, learning_rate, clipped)
            # From here on Adam works in the memory of what was before: there is no way back.
            with named(number, update, "its weights are lost: go on from the last checkpoint"):
                self._take(*moved_to)
                del moved_to
                mx.eval(self.model.parameters(), self.state)
        self.scale.after(grad_norm)
        return Figures(loss, weight, correct, len(update.rows), grad_norm, moved, stops > 0)

    def _activate(self, number: int) -> None:
        """Compile for the groups that learn in this update, where they are others than before."""
        active = [group for group in self.groups if group.start <= number]
        if active == self._active:
            return
        self._active = active
        self._gradients = self._compiled_gradients()
        self._adam = self._compiled_adam()

    def _compiled_gradients(self) -> Gradients:
        dtype = getattr(mx, self.precision)
        learning = {name for group in self._active for name in group.parameters}
        weights = named_parameters(self.model)
        frozen = cast({n: w for n, w in weights.items() if n not in learning}, dtype)
        mx.eval(frozen)

        def loss_of(
            parameters: Arrays,
            input_ids: mx.array,
            attention_mask: mx.array,
            labels: mx.array,
            weights: mx.array,
            key: mx.array,
            factor: mx.array,
        ) -> tuple[mx.array, mx.array]:
            with holding(self.model, tree(frozen | cast(parameters, dtype))):
                logits = self.model(input_ids, attention_mask, dropout_key=key)
            loss = self.loss.sum(logits, labels, weights)
            correct = ((logits.argmax(axis=-1) == labels) * weights).sum()
            return loss * factor, mx.stack([loss, correct, mx.zeros(())])

        gradients_of = mx.value_and_grad(loss_of)

        def gradients(*arguments: Arrays | mx.array) -> tuple[Arrays, mx.array]:
            self.traces += 1
            (_, figures), gradients = gradients_of(*arguments)
            return gradients, figures

        return mx.compile(gradients)

    def _compiled_adam(self) -> Apply:
        active = self._active

        def adam(
            parameters: Arrays, gradients: Arrays, state: State, rate: mx.array, factor: mx.array
        ) -> tuple[Arrays, State]:
            gradients = {name: gradient * factor for name, gradient in gradients.items()}
            return self.optimizer.apply(active, parameters, gradients, state, rate)

        return mx.compile(adam)

    def _gradients_of(
        self, update: Update, number: int, weight: float, stop: bool
    ) -> tuple[Arrays, mx.array]:
        """This process's part of the mean gradients, times the loss scale."""
        parameters = named_parameters(self.model)
        active = {name: parameters[name] for group in self._active for name in group.parameters}
        factor = mx.array(self.scale.value / weight)
        gradients: Arrays = {}
        sums = mx.array([0.0, 0.0, float(stop)])
        for i, batch in enumerate(update.batches):
            key = dropout_key(self.seed, number, i, self.processes.rank())
            more, figures = self._gradients(active, *arrays(batch), key, factor)
            gradients = tree_map(mx.add, gradients, more) if gradients else more
            sums = sums + figures
            mx.eval(gradients, sums)
        return gradients, sums

    def _gathered(self, gradients: Arrays, sums: mx.array) -> tuple[Arrays, float, list[float]]:
        """Gradients and figures of all processes together, and the gradients' norm."""
        if self.processes.size() > 1:
            # Each process has divided by the weight of all rows: what counts is the sum.
            means = nn.average_gradients(list(gradients.values()), self.processes)
            totals = [mean * self.processes.size() for mean in means]
            gradients = dict(zip(gradients, totals, strict=True))
            sums = mx.distributed.all_sum(sums, group=self.processes)
        norm = self._norm(gradients)
        mx.eval(gradients, norm, sums)
        return gradients, norm.item(), sums.tolist()

    def _moved(
        self, gradients: Arrays, learning_rate: float, factor: float
    ) -> tuple[Arrays, State]:
        """Weights and moments after the update, not yet computed."""
        parameters = named_parameters(self.model)
        names = [name for group in self._active for name in group.parameters]
        kept = {"m": names, "v": names, "step": [group.name for group in self._active]}
        return self._adam(
            {name: parameters[name] for name in names},
            gradients,
            {part: {name: self.state[part][name] for name in kept[part]} for part in kept},
            mx.array(learning_rate),
            mx.array(factor),
        )

    def _take(self, moved: Arrays, state: State) -> None:
        """Let go of the arrays before, so that Adam can work in their memory."""
        self.model.update(tree(moved))
        for part, arrays in state.items():
            self.state[part] |= arrays


def named_parameters(model: Classifier) -> Arrays:
    """All parameters of a model by their names in the checkpoint."""
    return dict(tree_flatten(model.parameters()))


def tree(parameters: Arrays) -> dict:
    """What `Module.update` takes."""
    return tree_unflatten(list(parameters.items()))


def arrays(batch: Batch) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """A batch on the device: ids, mask, labels, weights."""
    return (
        mx.array(batch.input_ids),
        mx.array(batch.attention_mask),
        mx.array(batch.labels),
        mx.array(batch.weights),
    )


def dropout_key(*numbers: int) -> mx.array:
    """A key, uint32 (2,), that these numbers alone decide: nothing to save, nothing to restore."""
    return mx.array(np.random.SeedSequence(numbers).generate_state(2, np.uint32))


def global_norm(gradients: Arrays) -> mx.array:
    """The Euclidean norm of all gradients together, as `torch.nn.utils.clip_grad_norm_` has it."""
    return mx.sqrt(sum(mx.square(gradient).sum() for gradient in gradients.values()))


@contextmanager
def named(number: int, update: Update, outcome: str) -> Iterator[None]:
    """Failures inside the block become a sentence on the update and on what is left."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        rows = ", ".join(str(row + 1) for row in update.rows[:8])
        more = ", ..." if len(update.rows) > 8 else ""
        shapes = " and ".join(sorted({str(batch.input_ids.shape) for batch in update.batches}))
        raise StepFailed(
            f"update {number + 1}, of the training rows {rows}{more} in batches of shape {shapes},"
            f" failed: {first_line(error)}; {outcome}"
        ) from error
