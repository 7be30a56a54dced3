"""What lies in a checkpoint folder: the config and the tensors, in any of the forms in use."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.torch_file import read_torch_file

Weights = dict[str, mx.array]


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a folder."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} has no config.json: not a checkpoint folder") from None
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} holds a {type(config).__name__}, not a JSON object")
    return config


def read_weights(folder: Path) -> tuple[Weights, list[str]]:
    """The tensors of a folder and the names of the files they came from."""
    for name, read in (
        ("model.safetensors", read_safetensors),
        ("pytorch_model.bin", read_torch_file),
    ):
        if (folder / name).is_file():
            return read(folder / name), [name]
        if (folder / f"{name}.index.json").is_file():
            shards = shards_of(folder / f"{name}.index.json")
            weights: Weights = {}
            for shard in shards:
                weights |= read(folder / shard)
            return weights, shards
    raise InputError(
        f"{folder} has no weights: model.safetensors (or its shards) or pytorch_model.bin"
    )


def shards_of(index: Path) -> list[str]:
    """File names of a sharded checkpoint, all of them present."""
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        paths = [index.parent / shard for shard in shards]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InputError(f"{index} is not an index of shards: fetch it again") from None
    for path in paths:
        if not path.is_file():
            raise InputError(f"{index} names {path.name}, which is not there: fetch it again")
    return shards


def read_safetensors(path: Path) -> Weights:
    """The tensors of one file, read whole, so that damage shows here."""
    try:
        weights = mx.load(str(path), format="safetensors")
        mx.eval(weights)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}; fetch it again") from None
    return weights


def model_type_of(weights: Weights, folder: Path) -> str:
    """The family by its key names, for configs from before `model_type` existed."""
    for model_type in FAMILIES:
        if any(key.startswith(f"{model_type}.") for key in weights):
            return model_type
    raise InputError(
        f"{folder}/config.json has no model_type and the names of the weights do not tell it:"
        f" add one of {', '.join(FAMILIES)}"
    )
