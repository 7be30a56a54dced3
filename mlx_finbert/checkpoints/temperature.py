"""Temperatures of calibrated models: recorded by earlier versions, now part of the weights."""

from pathlib import Path
from sys import float_info
from typing import Any

import mlx.core as mx

from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier


def fold_temperature(model: Classifier, temperature: float) -> None:
    """Divide the output layer by a temperature, in place, which divides the logits.

    Every program that reads the weights then gives calibrated probabilities. The weight and the
    bias of the output layer keep their dtype; they are divided in float32.
    """
    layer = model.output_layer
    for name, value in layer.parameters().items():
        layer[name] = (value.astype(mx.float32) / temperature).astype(value.dtype)
    mx.eval(layer.parameters())


def recorded_temperature(config: dict[str, Any], path: Path) -> float:
    """Read the temperature that earlier versions of mlx-finbert wrote to a config; 1 if absent.

    They left the weights uncalibrated and divided the logits after every forward pass.

    Raises:
        InputError: names the file and the key if the value is not a finite number above 0.
    """
    value = config.get("calibration_temperature")
    if value is None:
        return 1.0
    if type(value) not in (int, float) or not 0 < value <= float_info.max:
        raise InputError(
            f"{path}: calibration_temperature is {value!r}, not a finite number above 0; remove"
            " the key to use the model uncalibrated"
        )
    return float(value)
