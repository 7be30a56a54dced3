"""What lies in a checkpoint folder: reading the forms in use, and writing one of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.atomic import written_beside
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.tokenizer import TOKENIZER_FILES, Tokenizer
from mlx_finbert.torch_file import read_torch_file

Weights = dict[str, mx.array]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapters.safetensors"
MODEL_FILES = TOKENIZER_FILES | {
    "config.json",
    "model.safetensors",
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
}
"""All that a model of ours is saved in, whole or as adapters."""


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a folder."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} has no config.json: not a checkpoint folder")
    return read_json(folder / "config.json")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, not a JSON object")
    return found


def write_json(content: dict[str, Any], path: Path) -> None:
    """The same content gives the same bytes."""
    text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


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


def write_safetensors(weights: Weights, path: Path) -> None:
    """One file, marked as Hugging Face's readers want it."""
    try:
        mx.save_safetensors(str(path), weights, metadata={"format": "pt"})
    except RuntimeError as error:
        raise OSError(None, f"cannot be written: {error}", str(path)) from error


@contextmanager
def new_model(folder: Path, tokenizer: Tokenizer) -> Iterator[Path]:
    """A folder to write a model's files to; with the tokenizer's they then move into `folder`.

    Files there of an earlier model that the new one does not have are removed: they would be read
    together with it. Other files stay.
    """
    with written_beside(folder) as part:
        yield part
        tokenizer.save_pretrained(part)
        written = {file.name for file in part.iterdir()}
    for name in MODEL_FILES - written:
        (folder / name).unlink(missing_ok=True)


def model_type_of(weights: Weights, folder: Path) -> str:
    """The family by its key names, for configs from before `model_type` existed."""
    for model_type in FAMILIES:
        if any(key.startswith(f"{model_type}.") for key in weights):
            return model_type
    raise InputError(
        f"{folder}/config.json has no model_type and the names of the weights do not tell it:"
        f" add one of {', '.join(FAMILIES)}"
    )
