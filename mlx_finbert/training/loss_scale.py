"""Mixed precision: matrix products in half precision, weights in float32."""

from dataclasses import dataclass

import mlx.core as mx

from mlx_finbert.models.parameters import Arrays
from mlx_finbert.training.args import Precision


def cast(parameters: Arrays, dtype: mx.Dtype) -> Arrays:
    """Cast parameters for the computation; their gradients keep the original dtype."""
    return {name: value.astype(dtype) for name, value in parameters.items()}


START = 2.0**16
PATIENCE = 2000


@dataclass
class LossScale:
    """Keep float16 gradients from underflow (Micikevicius et al. 2018, section 3.2).

    The loss is multiplied by `value`, which stays 1 for the other precisions.
    """

    value: mx.array
    good_updates: mx.array
    """int32 scalar: updates since the value last changed."""

    @classmethod
    def start(cls, precision: Precision) -> "LossScale":
        """The scale of the first update."""
        value = START if precision == "float16" else 1.0
        return cls(mx.array(value), mx.array(0, mx.int32))

    def arrays(self) -> Arrays:
        """The arrays by name, for `mx.compile`, which takes no objects."""
        return {"value": self.value, "good_updates": self.good_updates}

    def after(self, finite: mx.array) -> "LossScale":
        """The scale of the next update.

        It halves when a gradient overflows, and that update is skipped. It doubles after 2,000
        updates without an overflow. PyTorch's `GradScaler` has the same numbers.

        Args:
            finite: bool scalar, whether all gradients of this update were finite.
        """
        good = mx.where(finite, self.good_updates + 1, 0)
        doubled = (good == PATIENCE) & (self.value > 1)
        value = mx.where(doubled, self.value * 2, self.value)
        return LossScale(
            mx.where(finite, value, mx.maximum(1.0, self.value / 2)),
            mx.where(doubled, 0, good),
        )
