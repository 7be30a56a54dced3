"""Adam as PyTorch and Keras have it, over groups of named parameters."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.device import apart

Arrays = dict[str, mx.array]
State = dict[str, Arrays]


@dataclass(frozen=True)
class Group:
    """Parameters that learn together."""

    name: str
    """`embeddings`, `layer.0`, `layer.1`, ..., `head`."""
    parameters: tuple[str, ...]
    rate: float = 1.0
    """The learning rate is multiplied by this."""
    start: int = 0
    """The number of the first update that moves them; they are frozen before it."""


@dataclass(frozen=True)
class Thawing:
    """What is frozen, and how the depths differ."""

    layer_decay: float = 1.0
    """Each layer learns at this share of the rate of the layer above it."""
    head_rate: float = 1.0
    """The head's rate over the others' peak."""
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    """So many layers, from the lowest on, never learn."""
    unfreeze_every: int = 0
    """Updates between the unfreezing of one layer and that of the layer below; 0 for none."""


def make_groups(names: Iterable[str], num_layers: int, thawing: Thawing = Thawing()) -> list[Group]:
    """Groups from the embeddings up to the head; what is frozen for good is in none.

    Args:
        names: of the parameters that may learn, as in the checkpoint.
        num_layers: layers of the encoder.
        thawing: see there. With decay d and N layers, the head learns at the full rate, the top
            layer at d, the lowest at d^N and the embeddings at d^(N+1).
    """
    members = defaultdict(list)
    for name in names:
        members[depth(name, num_layers)].append(name)
    top = num_layers + 1
    lowest = 1 + thawing.freeze_layers
    return [
        Group(
            name="head" if at == top else f"layer.{at - 1}" if at else "embeddings",
            parameters=tuple(members[at]),
            rate=thawing.head_rate if at == top else thawing.layer_decay ** (top - at),
            start=(top - at) * thawing.unfreeze_every,
        )
        for at in sorted(members)
        if (at >= lowest or at == 0) and not (at == 0 and thawing.freeze_embeddings)
    ]


def depth(name: str, num_layers: int) -> int:
    """0 for the embeddings, i + 1 for layer i, num_layers + 1 for pooler and head."""
    if found := re.search(r"\.layer\.(\d+)\.", name):
        return int(found[1]) + 1
    return 0 if ".embeddings." in name else num_layers + 1


@dataclass
class Adam:
    """Adam (Kingma and Ba 2015), with decoupled decay (Loshchilov and Hutter 2019) or without.

    Bias correction is always on. MLX's own optimizers leave it off by default, and their first
    steps are then three times as long as PyTorch's. A group that is unfrozen later counts its own
    steps: its moments start at zero then. As in Hugging Face's trainer, biases and layer norms, the
    vectors, do not decay.
    """

    weight_decay: float = 0.0
    decoupled: bool = True
    """AdamW; otherwise the decay is part of the gradient, as in PyTorch's Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    @property
    def moves_by_gradient_alone(self) -> bool:
        """Whether what has no gradient stays, or shrinks as everything that decays does."""
        return self.decoupled or self.weight_decay == 0

    def init(self, parameters: Arrays, groups: Sequence[Group]) -> State:
        """Zero moments for all parameters of the groups, zero steps and no decay for each group."""
        names = [name for group in groups for name in group.parameters]
        return {
            "m": {name: mx.zeros_like(parameters[name]) for name in names},
            "v": {name: mx.zeros_like(parameters[name]) for name in names},
            "step": {group.name: mx.array(0, mx.int32) for group in groups},
            "decay": {group.name: mx.array(1.0) for group in groups},
        }

    def apply(
        self,
        groups: Sequence[Group],
        parameters: Arrays,
        gradients: Arrays,
        state: State,
        learning_rate: mx.array,
        moves: mx.array,
        clip: mx.array | float = 1.0,
    ) -> tuple[Arrays, State]:
        """New parameters and state of these groups; a pure function, for `mx.compile`.

        Args:
            groups: those that move now.
            parameters, gradients: float32, by name.
            state: as `init` gives it; what belongs to other groups may be left out.
            learning_rate: float32 scalar, of the groups whose rate is 1.
            moves: bool scalar; where False, everything stays as it is, whatever the gradients.
            clip: scalar by which the gradients are multiplied.
        """
        new: dict[str, Any] = {"m": {}, "v": {}, "step": {}, "decay": {}}
        moved = {}
        for group in groups:
            move = self._move(group, state["step"][group.name] + moves, learning_rate, moves)
            new["step"][group.name] = move.step
            new["decay"][group.name] = state["decay"][group.name] * move.kept
            for names in joined(group, parameters):
                gradient = join(gradients, names) * clip
                parameter, m, v = (join(a, names) for a in (parameters, state["m"], state["v"]))
                after = self._moved(move, parameter, gradient, m, v)
                for arrays, array in zip((moved, new["m"], new["v"]), after, strict=True):
                    arrays |= cut(array, names, parameters)
        return moved, new

    def _move(
        self, group: Group, step: mx.array, learning_rate: mx.array, moves: mx.array
    ) -> "Move":
        # 1 - beta^step, without the cancellation that float32 has in the first steps.
        c1, c2 = (-mx.expm1(mx.maximum(step, 1) * log(beta)) for beta in self.betas)
        rate = mx.where(moves, learning_rate * group.rate, 0.0)
        beta1, beta2 = (mx.where(moves, beta, 1.0) for beta in self.betas)
        kept = 1 - rate * self.weight_decay if self.decoupled else mx.array(1.0)
        scalars = rate / c1, mx.rsqrt(c2), beta1, beta2, kept
        # Within the large kernels they would be worked out anew for each element.
        return Move(step, moves, *(apart(scalar) for scalar in scalars))

    def _moved(
        self, move: "Move", parameter: mx.array, gradient: mx.array, m: mx.array, v: mx.array
    ) -> tuple[mx.array, mx.array, mx.array]:
        if parameter.ndim > 1 and self.weight_decay > 0:
            if self.decoupled:
                parameter = parameter * move.kept
            else:
                gradient = gradient + self.weight_decay * parameter
        # Zero times a gradient that is not finite would not be zero.
        gradient = mx.where(move.moves, gradient, 0.0)
        m = move.beta1 * m + (1 - move.beta1) * gradient
        v = move.beta2 * v + (1 - move.beta2) * mx.square(gradient)
        return parameter - move.m_rate * m / (mx.sqrt(v) * move.v_scale + self.eps), m, v


@dataclass
class Move:
    """One step's scalars for one group; where nothing `moves`, they leave all as it is."""

    step: mx.array
    moves: mx.array
    m_rate: mx.array
    """The learning rate over the first moment's bias."""
    v_scale: mx.array
    """One over the root of the second moment's bias."""
    beta1: mx.array
    beta2: mx.array
    kept: mx.array
    """What decoupled decay leaves of a weight."""


def joined(group: Group, parameters: Arrays) -> list[list[str]]:
    """The names of what moves as one array: a matrix alone, all vectors together.

    A model has twice as many vectors as matrices, and next to no numbers in them.
    """
    matrices = [name for name in group.parameters if parameters[name].ndim > 1]
    vectors = [name for name in group.parameters if parameters[name].ndim <= 1]
    return [[name] for name in matrices] + ([vectors] if vectors else [])


def join(arrays: Arrays, names: Sequence[str]) -> mx.array:
    """These arrays one after the other."""
    return mx.concatenate([arrays[name] for name in names]) if len(names) > 1 else arrays[names[0]]


def cut(array: mx.array, names: Sequence[str], like: Arrays) -> Arrays:
    """What `join` has put together, in the sizes of those others."""
    ends = np.cumsum([like[name].size for name in names])[:-1].tolist()
    return dict(zip(names, mx.split(array, ends) if ends else [array], strict=True))


def log(beta: float) -> float:
    """Natural logarithm; a decay rate of 0 forgets everything at once."""
    return math.log(beta) if beta else -math.inf
