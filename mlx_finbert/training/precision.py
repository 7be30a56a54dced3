"""Half precision for the matrix products, float32 for the weights that are learned."""

import math
from dataclasses import dataclass
from typing import Literal

import mlx.core as mx

from mlx_finbert.training.optimizer import Arrays

Precision = Literal["float32", "bfloat16", "float16"]
"""By MLX's names of the dtypes."""


def cast(parameters: Arrays, dtype: mx.Dtype) -> Arrays:
    """The parameters in the dtype of the computation; gradients come back in their own."""
    return {name: value.astype(dtype) for name, value in parameters.items()}


@dataclass
class LossScale:
    """Keeps float16 gradients above underflow (Micikevicius et al. 2018, section 3.2).

    The loss is multiplied by `value`, and the gradients divided by it. It halves when a gradient
    overflows, that update being left out, and doubles after 2,000 updates without; these numbers
    are those of PyTorch's `GradScaler`. For the other precisions it stays 1.
    """

    value: float = 1.0
    good_updates: int = 0

    START = 2.0**16
    PATIENCE = 2000

    @classmethod
    def for_precision(cls, precision: Precision) -> "LossScale":
        return cls(cls.START if precision == "float16" else 1.0)

    def after(self, grad_norm: float) -> None:
        """Adapt to the gradients of one update."""
        if not math.isfinite(grad_norm):
            self.value, self.good_updates = max(1.0, self.value / 2), 0
            return
        self.good_updates += 1
        if self.value > 1 and self.good_updates == self.PATIENCE:
            self.value, self.good_updates = self.value * 2, 0
