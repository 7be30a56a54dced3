"""Adam as PyTorch and Keras have it, over named parameters in groups."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from mlx_finbert.training.groups import Group

Arrays = dict[str, mx.array]
State = dict[str, Arrays]


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

    def init(self, parameters: Arrays, groups: Sequence[Group]) -> State:
        """Zero moments for all parameters of the groups, and zero steps for each group."""
        names = [name for group in groups for name in group.parameters]
        return {
            "m": {name: mx.zeros_like(parameters[name]) for name in names},
            "v": {name: mx.zeros_like(parameters[name]) for name in names},
            "step": {group.name: mx.array(0, mx.int32) for group in groups},
        }

    def apply(
        self,
        groups: Sequence[Group],
        parameters: Arrays,
        gradients: Arrays,
        state: State,
        learning_rate: mx.array,
    ) -> tuple[Arrays, State]:
        """New parameters and state of these groups; a pure function, for `mx.compile`.

        Args:
            groups: those that move now.
            parameters, gradients: float32, by name.
            state: as `init` gives it; what belongs to other groups may be left out.
            learning_rate: float32 scalar, of the groups whose rate is 1.
        """
        new: dict[str, Any] = {"m": {}, "v": {}, "step": {}}
        moved = {}
        for group in groups:
            step = new["step"][group.name] = state["step"][group.name] + 1
            # 1 - beta^step, without the cancellation that float32 has in the first steps.
            c1, c2 = (-mx.expm1(step * log(beta)) for beta in self.betas)
            rate = learning_rate * group.rate
            for name in group.parameters:
                moved[name], new["m"][name], new["v"][name] = self._moved(
                    parameters[name],
                    gradients[name],
                    state["m"][name],
                    state["v"][name],
                    rate,
                    rate / c1,
                    mx.rsqrt(c2),
                )
        return moved, new

    def _moved(
        self,
        parameter: mx.array,
        gradient: mx.array,
        m: mx.array,
        v: mx.array,
        rate: mx.array,
        m_rate: mx.array,
        v_scale: mx.array,
    ) -> tuple[mx.array, mx.array, mx.array]:
        decays = parameter.ndim > 1 and self.weight_decay > 0
        if decays and self.decoupled:
            parameter = parameter * (1 - rate * self.weight_decay)
        elif decays:
            gradient = gradient + self.weight_decay * parameter
        beta1, beta2 = self.betas
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * mx.square(gradient)
        return parameter - m_rate * m / (mx.sqrt(v) * v_scale + self.eps), m, v


def log(beta: float) -> float:
    """Natural logarithm; a decay rate of 0 forgets everything at once."""
    return math.log(beta) if beta else -math.inf
