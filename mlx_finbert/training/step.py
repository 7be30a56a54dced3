"""One update of the weights: gradients of a few batches, then Adam, both compiled."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.data.loader import Update
from mlx_finbert.device import spread, streams
from mlx_finbert.models import Classifier
from mlx_finbert.training.failure import INTACT, LOST, named
from mlx_finbert.training.gradients import Gradients, added, global_norm, named_parameters, tree
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.loss_scale import Precision, initial_scale, next_scale
from mlx_finbert.training.occurring import OccurringRows
from mlx_finbert.training.optimizer import Adam, Arrays, Group, State
from mlx_finbert.training.state import Figures

Apply = Callable[..., tuple[Arrays, State]]


@dataclass
class Running:
    """An update that is computed now."""

    number: int
    update: Update
    figures: mx.array


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
    groups: list[Group]
    optimizer: Adam
    loss: Loss
    max_grad_norm: float = 1.0
    precision: Precision = "float32"
    seed: int = 0
    """Of dropout; its masks depend on the seed, the update, the batch and the process alone."""
    processes: mx.distributed.Group = field(default_factory=mx.distributed.init)
    occurring: OccurringRows | None = None
    """Where given, the model's table of word embeddings is up to date after `put_back` alone."""

    def __post_init__(self) -> None:
        self._table: mx.array | None = None
        if self.occurring:
            self._table = self.occurring.taken_from(self.occurring.whole)
        self.state: State = self.optimizer.init(self._parameters(), self.groups)
        self.state["scale"] = initial_scale(self.precision)
        self.state["ended"] = {"diverged": mx.array(False)}
        mx.eval(self.state)
        self._active: list[Group] = []
        self._traces = 0
        self._running: Running | None = None

    @property
    def traces(self) -> int:
        """How often the gradients were traced."""
        return self._traces + (self._gradients.traces if self._active else 0)

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
            StepFailed: names the update and its rows, which may be the update before: what fails
                while it is computed shows when it is waited for, and its weights are lost then.
                Otherwise model and optimizer are as before the update.
        """
        self._activate(number)
        weight = self.loss.total_weight(update.labels)
        with named(number, update, INTACT):
            gradients, sums = self._gradients_of(update, number, weight, stop)
        gradients, sums = self._gathered(gradients, sums)
        with named(number, update, INTACT):
            moved, state, figures = self._moved(gradients, sums, learning_rate)
        # Two updates at once would need the memory of both.
        self.wait()
        with named(number, update, INTACT):
            mx.async_eval(gradients, sums)
            del gradients
        # From here on Adam works in the memory of what was before: there is no way back.
        with named(number, update, LOST):
            self._take(moved, state)
            del moved, state
            mx.async_eval(self._parameters(), self.state, figures)
        self._running = Running(number, update, figures)
        return Figures(weight, len(update.rows), figures)

    def wait(self) -> None:
        """Until the last update has ended.

        Raises:
            StepFailed: where it could not be computed; its weights are lost then.
        """
        running, self._running = self._running, None
        if running:
            with named(running.number, running.update, LOST):
                mx.eval(running.figures)

    def _activate(self, number: int) -> None:
        """Compile for the groups that learn in this update, where they are others than before."""
        active = [group for group in self.groups if group.start <= number]
        if active == self._active:
            return
        self.wait()
        self._traces = self.traces
        self._active = active
        learning = {name for group in active for name in group.parameters}
        frozen = {n: p for n, p in self._parameters().items() if n not in learning}
        self._gradients = Gradients(self.model, self.loss, frozen, self.precision)
        self._judge = mx.compile(self._judged)
        self._adam = [
            (groups, self._adam_on(stream, groups))
            for stream, groups in spread_groups(active, self._parameters())
        ]

    def _judged(
        self, gradients: list[Arrays], sums: mx.array, scale: Arrays, diverged: mx.array
    ) -> tuple[Arrays, dict[str, Any]]:
        """The gradients together, and what follows from them; a pure function, for `mx.compile`."""
        together = added(gradients)
        norm = global_norm(together) / scale["value"]
        finite = mx.isfinite(norm) & mx.isfinite(sums[0])
        moves = finite & ~diverged
        after = next_scale(scale, finite)
        # An overflow of float16 is not one: it halves the scale, unless that is at its end.
        diverged = diverged | ~mx.isfinite(sums[0]) | (~finite & (after["value"] <= 1))
        # As `torch.nn.utils.clip_grad_norm_` has it.
        clip = mx.minimum(1.0, self.max_grad_norm / (norm + 1e-6)) / scale["value"]
        figures = mx.concatenate([sums, mx.stack([norm, moves, diverged])])
        return together, {
            "clip": clip, "moves": moves, "scale": after, "diverged": diverged, "figures": figures
        }  # fmt: skip

    def _adam_on(self, stream: mx.Stream, groups: list[Group]) -> Apply:
        """Adam for these groups, compiled for a stream."""

        def adam(
            parameters: Arrays,
            gradients: Arrays,
            state: State,
            rate: mx.array,
            clip: mx.array,
            moves: mx.array,
        ) -> tuple[Arrays, State]:
            with mx.stream(stream):
                return self.optimizer.apply(groups, parameters, gradients, state, rate, moves, clip)

        return mx.compile(adam)

    def _gradients_of(
        self, update: Update, number: int, weight: float, stop: bool
    ) -> tuple[list[Arrays], mx.array]:
        """This process's part of the mean gradients, times the loss scale."""
        parameters = self._learning()
        factor = self.state["scale"]["value"] / weight
        gradients: list[Arrays] = []
        sums = mx.zeros(2)
        for i, batch in enumerate(update.batches):
            if i:
                # The activations of a batch are to be gone before those of the next one come.
                self.wait()
                mx.eval(gradients, sums)
            if self.occurring:
                batch = replace(batch, input_ids=self.occurring.renumbered(batch.input_ids))
            key = dropout_key(self.seed, number, i, self.processes.rank())
            more, figures = self._gradients(parameters, batch, key, factor)
            gradients = (
                [added(pair) for pair in zip(gradients, more, strict=True)] if gradients else more
            )
            sums = sums + figures
        return gradients, mx.concatenate([sums, mx.array([float(stop)])])

    def _gathered(self, gradients: list[Arrays], sums: mx.array) -> tuple[list[Arrays], mx.array]:
        """Gradients and figures of all processes together."""
        if self.processes.size() > 1:
            own = added(gradients)
            # Each process has divided by the weight of all rows: what counts is the sum.
            means = nn.average_gradients(list(own.values()), self.processes)
            totals = [mean * self.processes.size() for mean in means]
            gradients = [dict(zip(own, totals, strict=True))]
            sums = mx.distributed.all_sum(sums, group=self.processes)
        return gradients, sums

    def _moved(
        self, gradients: list[Arrays], sums: mx.array, learning_rate: float
    ) -> tuple[Arrays, State, mx.array]:
        """Weights, state and figures after the update, not yet computed."""
        together, judged = self._judge(
            gradients, sums, self.state["scale"], self.state["ended"]["diverged"]
        )
        parameters, rate = self._learning(), mx.array(learning_rate)
        moved: Arrays = {}
        state: State = {"m": {}, "v": {}, "step": {}, "decay": {}}
        for groups, adam in self._adam:
            names = [name for group in groups for name in group.parameters]
            counted = [group.name for group in groups]
            kept = {"m": names, "v": names, "step": counted, "decay": counted}
            arrays, new = adam(
                {name: parameters[name] for name in names},
                {name: together[name] for name in names},
                {part: {n: self.state[part][n] for n in kept[part]} for part in kept},
                rate,
                judged["clip"],
                judged["moves"],
            )
            moved |= arrays
            for part in kept:
                state[part] |= new[part]
        state["scale"], state["ended"] = judged["scale"], {"diverged": judged["diverged"]}
        return moved, state, judged["figures"]

    def _take(self, moved: Arrays, state: State) -> None:
        """Let go of the arrays before, so that Adam can work in their memory."""
        if self.occurring and self.occurring.name in moved:
            self._table = moved.pop(self.occurring.name)
        self.model.update(tree(moved))
        for part, arrays in state.items():
            self.state[part] |= arrays

    def _parameters(self) -> Arrays:
        """All of the model's, the table of word embeddings with the occurring rows alone."""
        parameters = named_parameters(self.model)
        return parameters | {self.occurring.name: self._table} if self.occurring else parameters

    def _learning(self) -> Arrays:
        parameters = self._parameters()
        return {name: parameters[name] for group in self._active for name in group.parameters}

    def put_back(self) -> None:
        """Bring the model's table of word embeddings up to date."""
        if self.occurring:
            table = self._whole_table()
            mx.eval(table)
            self.model.update(tree({self.occurring.name: table}))

    def _whole_table(self) -> mx.array:
        table = self.occurring.whole * self.state["decay"]["embeddings"]
        return self.occurring.put_into(table, self._table)

    def saved_state(self) -> State:
        """The optimizer's state, moments of the whole table in it: what a checkpoint keeps."""
        return self._with_table(self.occurring.in_zeros) if self.occurring else self.state

    def restore(self, state: State) -> None:
        """Go on from a `saved_state` and the weights that the model has now."""
        self.state = state
        if self.occurring:
            table = named_parameters(self.model)[self.occurring.name]
            self._table = self.occurring.taken_from(table)
            self.state = self._with_table(self.occurring.taken_from)
            if not mx.array_equal(self._whole_table(), table):
                # The model that this began with is another than the run's: its rows do not count.
                self.occurring = replace(self.occurring, whole=table)
                self.state["decay"] |= {"embeddings": mx.array(1.0)}

    def _with_table(self, change: Callable[[mx.array], mx.array]) -> State:
        """The state with something else in the place of the moments of the table."""
        name = self.occurring.name
        changed = {p: self.state[p] | {name: change(self.state[p][name])} for p in "mv"}
        return self.state | changed


def spread_groups(groups: list[Group], parameters: Arrays) -> list[tuple[mx.Stream, list[Group]]]:
    """For each stream the parts of the groups that it moves, about as many numbers as the others.

    Each stream has a function of its own: in one graph MLX would merge what they have in common,
    and it fuses nothing with what another stream computes.
    """
    sizes = {name: parameters[name].size for group in groups for name in group.parameters}
    chosen = spread(sizes)
    parts = []
    for stream in streams():
        mine = [
            replace(group, parameters=tuple(n for n in group.parameters if chosen[n] == stream))
            for group in groups
        ]
        parts.append((stream, [group for group in mine if group.parameters]))
    return [(stream, mine) for stream, mine in parts if mine]


def dropout_key(*numbers: int) -> mx.array:
    """A key, uint32 (2,), that these numbers alone decide: nothing to save, nothing to restore."""
    return mx.array(np.random.SeedSequence(numbers).generate_state(2, np.uint32))
