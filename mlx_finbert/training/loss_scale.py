"""Half precision for the matrix products, float32 for the weights that are learned."""

from typing import Literal

import mlx.core as mx

from mlx_finbert.training.optimizer import Arrays

Precision = Literal["float32", "bfloat16", "float16"]
"""By MLX's names of the dtypes."""


def cast(parameters: Arrays, dtype: mx.Dtype) -> Arrays:
    """The parameters in the dtype of the computation; gradients come back in their own."""
    return {name: value.astype(dtype) for name, value in parameters.items()}


START = 2.0**16
PATIENCE = 2000


def initial_scale(precision: Precision) -> Arrays:
    """`value`, the loss is multiplied by it; and `good_updates`, since it last changed."""
    return {
        "value": mx.array(START if precision == "float16" else 1.0),
        "good_updates": mx.array(0, mx.int32),
    }


def next_scale(scale: Arrays, finite: mx.array) -> Arrays:
    """Keeps float16 gradients above underflow (Micikevicius et al. 2018, section 3.2).

    The scale halves when a gradient overflows, that update being left out, and doubles after 2,000
    updates without; these numbers are those of PyTorch's `GradScaler`. For the other precisions it
    stays 1.

    Args:
        scale: of this update.
        finite: bool scalar, whether all gradients were.
    """
    good = mx.where(finite, scale["good_updates"] + 1, 0)
    doubled = (good == PATIENCE) & (scale["value"] > 1)
    value = mx.where(doubled, scale["value"] * 2, scale["value"])
    return {
        "value": mx.where(finite, value, mx.maximum(1.0, scale["value"] / 2)),
        "good_updates": mx.where(doubled, 0, good),
    }
