"""Adam as PyTorch and Keras have it, and the course of its learning rate."""

from collections.abc import Callable

import mlx.core as mx
import mlx.optimizers as optim


class AdamW(optim.AdamW):
    """Adam (Kingma and Ba 2015) with decoupled decay (Loshchilov and Hutter 2019).

    Bias correction is on. MLX leaves it off by default, and its first steps are then three times
    as long as PyTorch's. As in Hugging Face's trainer, biases and layer norms, the vectors, do not
    decay.
    """

    def __init__(
        self, learning_rate: float | Callable[[mx.array], mx.array], weight_decay: float = 0.0
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, bias_correction=True)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        if parameter.ndim < 2 or self.weight_decay == 0:
            return optim.Adam.apply_single(self, gradient, parameter, state)
        return super().apply_single(gradient, parameter, state)


def linear_schedule(
    learning_rate: float, total_steps: int, warmup_ratio: float
) -> Callable[[mx.array], mx.array]:
    """Up from 0 over the first share of the steps, then down to 0 at the end.

    The rate of every step is that of transformers' `get_linear_schedule_with_warmup`.

    Args:
        learning_rate: at the end of the warm-up.
        total_steps: of the whole run.
        warmup_ratio: share of the steps that warm up, from 0 to 1.
    """
    warmup = round(warmup_ratio * total_steps)

    def schedule(step: mx.array) -> mx.array:
        step = step.astype(mx.float32)
        rising = step / max(1, warmup)
        falling = (total_steps - step) / max(1, total_steps - warmup)
        return learning_rate * mx.maximum(0.0, mx.where(step < warmup, rising, falling))

    return schedule
