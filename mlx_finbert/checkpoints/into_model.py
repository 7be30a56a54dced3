"""Loads a checkpoint's tensors into a model and accounts for every one of them."""

from dataclasses import dataclass, field
from pathlib import Path
from sys import float_info
from typing import Any

import mlx.core as mx
from mlx.utils import tree_unflatten

from mlx_finbert.checkpoints.config_fit import GENERAL
from mlx_finbert.checkpoints.files import Weights
from mlx_finbert.checkpoints.key_names import is_leftover, other_tool
from mlx_finbert.errors import InputError, quoted, shown
from mlx_finbert.models import Classifier, family_of
from mlx_finbert.models.masked_lm import MaskedLM
from mlx_finbert.models.parameters import named_parameters


@dataclass
class LoadReport:
    """The outcome of `load`: how the tensors of a checkpoint were used."""

    source: Path
    files: list[str]
    new: list[str] = field(default_factory=list)
    """Parameters missing from the checkpoint and newly initialised: the head or part of it."""
    unused: list[str] = field(default_factory=list)
    """Tensors of the checkpoint that the model does not need."""
    temperature: float = 1.0
    """Calibration temperature recorded by an earlier version; the head is divided by it."""

    def __str__(self) -> str:
        parts = []
        if self.new:
            parts.append(f"newly initialised: {', '.join(self.new)} (fine-tune before use)")
        if self.unused:
            parts.append(f"not used: {', '.join(self.unused)}")
        return f"{self.source}: {'; '.join(parts) or 'every tensor was used'}"


def size_of_head(weights: Weights) -> int | None:
    """The number of labels of the checkpoint's head; None if it has no head."""
    for key in ("classifier.weight", "classifier.out_proj.weight"):
        if key in weights and weights[key].ndim:
            return weights[key].shape[0]
    return None


def encoder_only(weights: Weights, config: dict[str, Any]) -> tuple[Weights, list[str]]:
    """Remove the head's weights; also return their names. A pooler belongs to the encoder."""
    _, model_class = family_of(config)
    head = [key for key in weights if not key.startswith(model_class.prefix)]
    return {k: v for k, v in weights.items() if k not in head}, sorted(head)


def fill(
    model: Classifier | MaskedLM, weights: Weights, report: LoadReport, dtype: mx.Dtype | None
) -> None:
    """Load the weights into the model and account for every tensor in the report.

    Raises:
        InputError: for a wrong shape, a value that is NaN or infinite, a missing parameter outside
            the head, or a tensor that does not belong to this model family.
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
    # This leaves the packed integers of quantized matrices unchanged.
    model.set_dtype(dtype)


def check_tensor(key: str, value: mx.array, wanted: mx.array, where: Path) -> None:
    """Refuse a tensor whose kind or shape differs from the model's parameter of that name."""
    if is_floating(wanted) != is_floating(value):
        kind = "floating-point" if is_floating(wanted) else "quantized"
        raise InputError(
            f"{where}: the tensor {key} is {value.dtype}, not {kind}; checkpoints quantized by"
            " other tools cannot be read"
        )
    if value.shape != wanted.shape:
        raise InputError(
            f"{where}: the tensor {key} has shape {shown(value.shape)} in the checkpoint, but"
            f" {wanted.shape} is expected from config.json and the labels"
        )


def require_finite(weights: Weights, where: str = "") -> None:
    """Refuse a weight that is NaN or infinite, by name.

    Args:
        weights: by name, of any dtype.
        where: the start of the message.
    """
    if name := first_not_finite(weights):
        raise InputError(
            f"{where}the weight {name} is not finite (NaN or infinite): the checkpoint is damaged,"
            " or its training diverged; use an earlier one"
        )


def first_not_finite(weights: Weights) -> str | None:
    """The name of the first weight that is NaN or infinite, if any."""
    for name, value in weights.items():
        # A fast check first: a NaN or infinity makes the sum not finite, but overflow does too.
        if not mx.isfinite(value.sum()).item() and not mx.isfinite(value).all().item():
            return name
    return None


def is_floating(value: mx.array) -> bool:
    return mx.issubdtype(value.dtype, mx.floating)


def explained(keys: list[str], model: Classifier | MaskedLM, source: Path) -> list[str]:
    """Return the tensors that the model does not need; refuse any that is not a known leftover."""
    for key in keys:
        if said := other_tool(key):
            raise InputError(f"{source}: the tensor {shown(key)} {said}")
        if not is_leftover(key, type(model)):
            raise InputError(
                f"{source}: the tensor {shown(key)} has no place in {type(model).__name__};"
                " config.json and weights are of different models"
            )
    return keys


def missing(keys: list[str], model: Classifier | MaskedLM, source: Path) -> list[str]:
    """Return the missing tensors of the head; refuse any other missing tensor."""
    for key in keys:
        if not key.startswith(model.head):
            raise InputError(f"{source}: the tensor {key} is missing; download the weights again")
    return keys


def fresh(key: str, shape: tuple[int, ...], initializer_range: float) -> mx.array:
    """Initialise a parameter of the head as Hugging Face does.

    Weights are normal, biases 0, and the factors of a layer norm 1.
    """
    if key.endswith(".bias"):
        return mx.zeros(shape)
    if len(shape) == 1:
        return mx.ones(shape)
    return mx.random.normal(shape, scale=initializer_range)


def fold_temperature(model: Classifier, temperature: float) -> None:
    """Divide the output layer by a temperature, in place, which divides the logits.

    Every program that reads the weights then gives calibrated probabilities. The weight and the
    bias of the output layer keep their dtype; they are divided in float32.
    """
    layer = model.output_layer
    for name, value in layer.parameters().items():
        layer[name] = (value.astype(mx.float32) / temperature).astype(value.dtype)
    mx.eval(layer.parameters())
    if first_not_finite(dict(layer.parameters())):
        raise InputError(
            f"{GENERAL}calibration_temperature = {temperature} makes the weights infinite; remove"
            " the key to use the model uncalibrated"
        )


def recorded_temperature(config: dict[str, Any], path: Path) -> float:
    """Read the calibration temperature that earlier versions wrote to a config; 1 if absent.

    They left the weights uncalibrated and divided the logits after every forward pass; now the
    temperature is part of the weights.

    Raises:
        InputError: names the file and the key if the value is not a finite number above 0.
    """
    value = config.get("calibration_temperature")
    if value is None:
        return 1.0
    if type(value) not in (int, float) or not 0 < value <= float_info.max:
        raise InputError(
            f"{path}: calibration_temperature is {quoted(value)}, not a finite number above 0;"
            " remove the key to use the model uncalibrated"
        )
    return float(value)
