"""Saves models as Hugging Face folders."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.checkpoints.files import MODEL_FILES, Weights
from mlx_finbert.checkpoints.into_model import is_floating
from mlx_finbert.checkpoints.tokenizer import Tokenizer, save_tokenizer
from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.files.paths import local_path
from mlx_finbert.files.space import free_bytes, size_text, tell_space
from mlx_finbert.models import Classifier
from mlx_finbert.models.lora import has_lora
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.models.quantization import quantization_of


def save(
    model: Classifier,
    tokenizer: Tokenizer,
    folder: str | Path,
    run_files: Mapping[str, bytes] | None = None,
) -> Path:
    """Save a model to a folder that `transformers` opens unchanged, unless the model is quantized.

    `config.json`, `model.safetensors` under Hugging Face's key names, and the tokenizer's files
    replace those of an earlier model at once: `load`, in any process and after a kill at any
    point, gives one model or the other. Other files of an earlier model are removed; files that do
    not belong to a model stay.

    Args:
        model, tokenizer: as returned by `load`.
        folder: the folder to write.
        run_files: content, by name, of the files of the model's training run.

    Raises:
        InputError: for a model with LoRA layers; use `save_adapters`, or fuse them first.
    """
    folder = local_path(folder)
    if has_lora(model):
        raise InputError("the model has adapters; fuse them first, or save them (save_adapters)")
    with new_model(folder, tokenizer, run_files or {}) as part:
        write_model(model, part)
    return folder


def write_model(model: Classifier, folder: Path) -> None:
    """Write `model.safetensors` and `config.json` as `transformers` names and reads them."""
    weights = named_parameters(model)
    write_safetensors(weights, folder / "model.safetensors")
    quantization = quantization_of(model)
    config = model.args.to_config() | {
        "architectures": [type(model).__name__],
        "dtype": str(dtype_of(model)).removeprefix("mlx.core."),
    }
    if quantization:
        config["quantization"] = asdict(quantization)
    write_json(config, folder / "config.json")


def dtype_of(model: nn.Module) -> mx.Dtype:
    """The dtype of the weights, ignoring the packed integers of quantized ones."""
    weights = named_parameters(model)
    return next(value.dtype for value in weights.values() if is_floating(value))


@contextmanager
def new_model(folder: Path, tokenizer: Tokenizer, run_files: Mapping[str, bytes]) -> Iterator[Path]:
    """Give a temporary folder for a new model, whose files then replace those in `folder` at once.

    The tokenizer and the files of the training run are added to it. Files of an earlier model that
    the new one does not have are removed, since they would be read together with it. Other files
    stay. See `folder_commit`.

    Args:
        folder: created if missing.
        tokenizer: saved with the model.
        run_files: content, by name, of the files of its training run.
    """
    with replacing(folder, MODEL_FILES) as part:
        yield part
        save_tokenizer(tokenizer, part)
        for name, content in run_files.items():
            (part / name).write_bytes(content)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON; see `json_bytes`."""
    path.write_bytes(json_bytes(content))


def json_bytes(content: dict[str, Any]) -> bytes:
    """Return an object as the content of a JSON file; equal objects give equal bytes."""
    text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
    return (text + "\n").encode("utf-8")


def write_safetensors(weights: Weights, path: Path) -> None:
    """Write one file, with the format mark that Hugging Face's readers expect.

    Raises:
        OSError: names the file; for a full disk, before anything is written, with what is needed.
    """
    needed, free = size_of_weights(weights), free_bytes(path)
    try:
        if free is not None and needed > free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        mx.save_safetensors(str(path), weights, metadata={"format": "pt"})
    except OSError as error:
        tell_space(error, path, size_text(needed))
        raise
    except RuntimeError as error:
        # MLX does not tell why, but a full disk is the usual reason.
        told = f"its {size_text(needed)} cannot be written: {first_line(error)}"
        raise OSError(None, told, str(path)) from None


def size_of_weights(weights: Weights) -> int:
    """Return the bytes of the file that `write_safetensors` writes, without its small header."""
    return sum(value.nbytes for value in weights.values())
