"""Adam as in PyTorch and Keras, over groups of named parameters."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import scalar
from mlx_finbert.models.parameters import Arrays


@dataclass(frozen=True)
class ParamGroup:
    """Parameters with the same learning rate and the same start."""

    name: str
    """`embeddings`, `layer.0`, `layer.1`, ..., `head`."""
    parameters: tuple[str, ...]
    rate: float = 1.0
    """Factor of the learning rate."""
    start: int = 0
    """Number of the first update that changes them; they are frozen before it."""


@dataclass(frozen=True)
class FreezeSchedule:
    """Which parts are frozen, and the learning rate of each depth."""

    layer_decay: float = 1.0
    """Learning rate of each layer relative to the layer above it."""
    head_rate: float = 1.0
    """Peak learning rate of the head relative to the other parts."""
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    """Number of layers, from the lowest, that are never trained."""
    unfreeze_every: int = 0
    """Updates before the next lower layer is unfrozen; 0 trains all layers from the start."""


def make_groups(
    names: Iterable[str], num_layers: int, schedule: FreezeSchedule = FreezeSchedule()
) -> list[ParamGroup]:
    """Group the parameters, from the embeddings up to the head, without those always frozen.

    Args:
        names: names of the trainable parameters, as in the checkpoint.
        num_layers: number of layers of the encoder.
        schedule: what to freeze, and the rates. With decay d and N layers, the head learns at the
            full rate, the top layer at d, the lowest at d^N and the embeddings at d^(N+1).
    """
    members = defaultdict(list)
    for name in names:
        members[depth(name, num_layers)].append(name)
    top = num_layers + 1
    lowest = 1 + schedule.freeze_layers
    return [
        ParamGroup(
            name="head" if at == top else f"layer.{at - 1}" if at else "embeddings",
            parameters=tuple(members[at]),
            rate=schedule.head_rate if at == top else schedule.layer_decay ** (top - at),
            start=(top - at) * schedule.unfreeze_every,
        )
        for at in sorted(members)
        if (at >= lowest or at == 0) and not (at == 0 and schedule.freeze_embeddings)
    ]


def depth(name: str, num_layers: int) -> int:
    """The depth of a parameter: 0 for embeddings, i + 1 for layer i, num_layers + 1 above them."""
    if found := re.search(r"\.layer\.(\d+)\.", name):
        return int(found[1]) + 1
    return 0 if ".embeddings." in name else num_layers + 1


@dataclass
class AdamState:
    """Moments and step counts."""

    m: Arrays
    """First moments by parameter, float32, in the parameter's shape."""
    v: Arrays
    """Second moments, likewise."""
    step: Arrays
    """Number of steps by group, int32 scalars."""


@dataclass
class Adam:
    """Adam (Kingma and Ba 2015), with decoupled decay (Loshchilov and Hutter 2019) or without.

    Bias correction is always on. MLX's own optimizers leave it off by default, which makes their
    first steps three times as long as PyTorch's. A group that is unfrozen later counts its own
    steps, since its moments start at zero then. As in Hugging Face's Trainer, vectors (biases and
    layer norms) do not decay.
    """

    weight_decay: float = 0.0
    decoupled: bool = True
    """True for AdamW; otherwise the decay is part of the gradient, as in PyTorch's Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    @property
    def moves_by_gradient_alone(self) -> bool:
        """Whether a weight without a gradient changes by decoupled decay only, or not at all."""
        return self.decoupled or self.weight_decay == 0

    def init(self, parameters: Arrays, groups: Sequence[ParamGroup]) -> AdamState:
        """The initial state: zero moments and zero steps."""
        names = [name for group in groups for name in group.parameters]
        return AdamState(
            {name: mx.zeros_like(parameters[name]) for name in names},
            {name: mx.zeros_like(parameters[name]) for name in names},
            {group.name: mx.array(0, mx.int32) for group in groups},
        )

    def updating(self, groups: Sequence[ParamGroup]) -> Callable[..., tuple[Arrays, ...]]:
        """`update` with the groups already given."""

        def update(*arguments: Any) -> tuple[Arrays, ...]:
            return self.update(groups, *arguments)

        return update

    def update(
        self,
        groups: Sequence[ParamGroup],
        by_name: tuple[Arrays, Arrays, Arrays, Arrays],
        steps: Arrays,
        learning_rate: mx.array,
        moves: mx.array,
        clip: mx.array | float = 1.0,
    ) -> tuple[Arrays, Arrays, Arrays, Arrays]:
        """Compute new parameters, moments and steps; a pure function, for `mx.compile`.

        Args:
            groups: the groups to train now.
            by_name: parameters, gradients, first and second moments, float32, of all or some of
                the groups' parameters.
            steps: number of steps by group, int32.
            learning_rate: float32 scalar, for groups with a rate of 1.
            moves: bool scalar; if False, nothing changes, whatever the gradients are.
            clip: factor of the gradients, a scalar.
        """
        parameters = by_name[0]
        moved: tuple[Arrays, Arrays, Arrays] = {}, {}, {}
        counted = {}
        for group in groups:
            counted[group.name] = steps[group.name] + moves
            scalars = self._scalars(group, counted[group.name], learning_rate, moves)
            for names in joined(group, parameters):
                parameter, gradient, m, v = (join(arrays, names) for arrays in by_name)
                after = self._moved(scalars, parameter, gradient * clip, m, v)
                for arrays, array in zip(moved, after, strict=True):
                    arrays |= cut(array, names, parameters)
        return *moved, counted

    def _scalars(
        self, group: ParamGroup, step: mx.array, learning_rate: mx.array, moves: mx.array
    ) -> "AdamScalars":
        # 1 - beta^step, without the cancellation that float32 has in the first steps.
        c1, c2 = (-mx.expm1(mx.maximum(step, 1) * log(beta)) for beta in self.betas)
        rate = mx.where(moves, learning_rate * group.rate, 0.0)
        beta1, beta2 = (mx.where(moves, beta, 1.0) for beta in self.betas)
        kept = 1 - rate * self.weight_decay if self.decoupled else mx.array(1.0)
        return AdamScalars(moves, *map(scalar, (rate / c1, mx.rsqrt(c2), beta1, beta2, kept)))

    def _moved(
        self,
        scalars: "AdamScalars",
        parameter: mx.array,
        gradient: mx.array,
        m: mx.array,
        v: mx.array,
    ) -> tuple[mx.array, mx.array, mx.array]:
        if parameter.ndim > 1 and self.weight_decay > 0:
            if self.decoupled:
                parameter = parameter * scalars.kept
            else:
                gradient = gradient + self.weight_decay * parameter
        # A product with zero would not remove a gradient that is not finite.
        gradient = mx.where(scalars.moves, gradient, 0.0)
        m = scalars.beta1 * m + (1 - scalars.beta1) * gradient
        v = scalars.beta2 * v + (1 - scalars.beta2) * mx.square(gradient)
        return parameter - scalars.m_rate * m / (mx.sqrt(v) * scalars.v_scale + self.eps), m, v


@dataclass
class AdamScalars:
    """The scalars of one step for one group; if `moves` is False, they change nothing."""

    moves: mx.array
    m_rate: mx.array
    """Learning rate divided by the bias of the first moment."""
    v_scale: mx.array
    """Inverse square root of the bias of the second moment."""
    beta1: mx.array
    beta2: mx.array
    kept: mx.array
    """Factor of the weights by decoupled decay."""


def joined(group: ParamGroup, parameters: Arrays) -> list[list[str]]:
    """Names to update as one array: each matrix separately, all vectors together.

    A model has twice as many vectors as matrices, with very few numbers in them.
    """
    here = [name for name in group.parameters if name in parameters]
    matrices = [name for name in here if parameters[name].ndim > 1]
    vectors = [name for name in here if parameters[name].ndim <= 1]
    return [[name] for name in matrices] + ([vectors] if vectors else [])


def join(arrays: Arrays, names: Sequence[str]) -> mx.array:
    """Concatenate these arrays."""
    return mx.concatenate([arrays[name] for name in names]) if len(names) > 1 else arrays[names[0]]


def cut(array: mx.array, names: Sequence[str], like: Arrays) -> Arrays:
    """Undo `join`, with the sizes of the arrays in `like`."""
    ends = np.cumsum([like[name].size for name in names])[:-1].tolist()
    return dict(zip(names, mx.split(array, ends) if ends else [array], strict=True))


def log(beta: float) -> float:
    """Natural logarithm; -inf for a decay rate of 0, which keeps nothing of earlier steps."""
    return math.log(beta) if beta else -math.inf
