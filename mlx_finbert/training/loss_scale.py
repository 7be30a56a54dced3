"""Half precision for the matrix products, float32 for the weights that are learned."""

from dataclasses import dataclass

import mlx.core as mx

from mlx_finbert.models.parameters import Arrays
from mlx_finbert.training.args import Precision


def cast(parameters: Arrays, dtype: mx.Dtype) -> Arrays:
    """The parameters in the dtype of the computation; gradients come back in their own."""
    return {name: value.astype(dtype) for name, value in parameters.items()}


START = 2.0**16
PATIENCE = 2000


@dataclass
class LossScale:
    """Keeps float16 gradients above underflow (Micikevicius et al. 2018, section 3.2).

    The loss is multiplied by it. For the other precisions it stays 1.
    """

    value: mx.array
    good_updates: mx.array
    """int32 scalar: since the value last changed."""

    @classmethod
    def start(cls, precision: Precision) -> "LossScale":
        """For the first update."""
        value = START if precision == "float16" else 1.0
        return cls(mx.array(value), mx.array(0, mx.int32))

    def arrays(self) -> Arrays:
        """By name: `mx.compile` takes no objects."""
        return {"value": self.value, "good_updates": self.good_updates}

    def after(self, finite: mx.array) -> "LossScale":
        """That of the next update, after one whose gradients were all `finite`, a bool scalar.

        It halves when a gradient overflows, that update being left out, and doubles after 2,000
        updates without; these numbers are those of PyTorch's `GradScaler`.
        """
        good = mx.where(finite, self.good_updates + 1, 0)
        doubled = (good == PATIENCE) & (self.value > 1)
        value = mx.where(doubled, self.value * 2, self.value)
        return LossScale(
            mx.where(finite, value, mx.maximum(1.0, self.value / 2)),
            mx.where(doubled, 0, good),
        )
