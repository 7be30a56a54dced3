"""A checkpoint's tensors put into a model, every one of them accounted for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_unflatten

from mlx_finbert.checkpoints.files import Weights
from mlx_finbert.checkpoints.key_names import is_leftover, other_tool
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier, family_of
from mlx_finbert.models.parameters import named_parameters


@dataclass
class LoadReport:
    """What `load` did with the tensors of a checkpoint."""

    source: Path
    files: list[str]
    new: list[str] = field(default_factory=list)
    """Parameters that the checkpoint lacks and that were drawn afresh: the head or part of it."""
    unused: list[str] = field(default_factory=list)
    """Tensors of the checkpoint that the classifier has no place for."""
    temperature: float = 1.0
    """Of a calibration that an earlier version recorded; the head is divided by it."""

    def __str__(self) -> str:
        parts = []
        if self.new:
            parts.append(f"newly initialised: {', '.join(self.new)} (fine-tune before use)")
        if self.unused:
            parts.append(f"not used: {', '.join(self.unused)}")
        return f"{self.source}: {'; '.join(parts) or 'every tensor was used'}"


def size_of_head(weights: Weights) -> int | None:
    """How many labels the checkpoint's own head has, or None where it has none."""
    for key in ("classifier.weight", "classifier.out_proj.weight"):
        if key in weights:
            return len(weights[key])
    return None


def encoder_only(weights: Weights, config: dict[str, Any]) -> tuple[Weights, list[str]]:
    """The weights without any head, and the names of what a head had; a pooler is the encoder's."""
    _, model_class = family_of(config)
    head = [key for key in weights if not key.startswith(model_class.prefix)]
    return {k: v for k, v in weights.items() if k not in head}, sorted(head)


def fill(model: Classifier, weights: Weights, report: LoadReport, dtype: mx.Dtype | None) -> None:
    """Put the weights into the model, every tensor accounted for.

    Raises:
        InputError: for a shape that does not fit, a value that is NaN or infinite, a parameter
            outside the head that is missing, or a tensor that no part of the family explains.
    """
    expected = named_parameters(model)
    report.unused += explained(sorted(weights.keys() - expected.keys()), model, report.source)
    report.new += missing([key for key in expected if key not in weights], model, report.source)
    found = {key: value for key, value in weights.items() if key in expected}
    for key, value in found.items():
        check_tensor(key, value, expected[key], report.source)
    require_finite(found, f"{report.source}: ")
    own_dtypes = {value.dtype for value in found.values() if is_floating(value)}
    dtype = dtype or (own_dtypes.pop() if len(own_dtypes) == 1 else mx.float32)
    found |= {
        key: fresh(key, expected[key].shape, model.args.initializer_range) for key in report.new
    }
    model.update(tree_unflatten(list(found.items())))
    # Packed integers, of quantized matrices, stay as they are.
    model.set_dtype(dtype)


def check_tensor(key: str, value: mx.array, wanted: mx.array, where: Path) -> None:
    """Refuse a tensor of another kind or shape than the model's parameter of its name."""
    if is_floating(wanted) != is_floating(value):
        kind = "of floating point" if is_floating(wanted) else "quantized"
        raise InputError(
            f"{where}: the tensor {key} is {value.dtype}, not {kind}:"
            " checkpoints that other tools have quantized cannot be read"
        )
    if value.shape != wanted.shape:
        raise InputError(
            f"{where}: the tensor {key} has shape {value.shape} in the checkpoint"
            f" and {wanted.shape} by config.json and labels"
        )


def require_finite(weights: Weights, where: str = "") -> None:
    """Refuse a weight that is NaN or infinite, by name.

    Args:
        weights: by name, of any dtype.
        where: begins the message.
    """
    if name := first_not_finite(weights):
        raise InputError(
            f"{where}the weight {name} is not finite: the checkpoint is damaged, or its training"
            " diverged; take an earlier one"
        )


def first_not_finite(weights: Weights) -> str | None:
    """The name of a weight that is NaN or infinite, if there is one."""
    for name, value in weights.items():
        # The sum is fast, and finite only where all are; one of finite numbers may be too large.
        if not mx.isfinite(value.sum()).item() and not mx.isfinite(value).all().item():
            return name
    return None


def is_floating(value: mx.array) -> bool:
    return mx.issubdtype(value.dtype, mx.floating)


def explained(keys: list[str], model: Classifier, source: Path) -> list[str]:
    """Refuse a tensor that the model has no place for and that is no known leftover."""
    for key in keys:
        if said := other_tool(key):
            raise InputError(f"{source}: the tensor {key} {said}")
        if not is_leftover(key, type(model)):
            raise InputError(
                f"{source}: the tensor {key} has no place in {type(model).__name__};"
                " config.json and weights do not belong together"
            )
    return keys


def missing(keys: list[str], model: Classifier, source: Path) -> list[str]:
    """Refuse a missing tensor that is not the head's."""
    for key in keys:
        if not key.startswith(model.head):
            raise InputError(f"{source}: the tensor {key} is missing: fetch the weights again")
    return keys


def fresh(key: str, shape: tuple[int, ...], initializer_range: float) -> mx.array:
    """A head's parameter as Hugging Face starts it: normal weights, zero biases."""
    if key.endswith(".bias"):
        return mx.zeros(shape)
    return mx.random.normal(shape, scale=initializer_range)
