"""The files of a checkpoint folder, in every format in use."""

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from mlx_finbert.checkpoints.folder_layouts import WEIGHT_NAMES, explain_missing
from mlx_finbert.checkpoints.tokenizer import TOKENIZER_FILES
from mlx_finbert.checkpoints.torch_bin import read_torch_file
from mlx_finbert.errors import QUOTE_LENGTH, InputError, first_line, shown
from mlx_finbert.files.formats import SAFETENSORS, TEXT, require_format
from mlx_finbert.files.json_text import read_json_object
from mlx_finbert.models import FAMILIES

Weights = dict[str, mx.array]

# bfloat16 is unknown to numpy: its bits travel as uint16.
NUMPY_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
"""Safetensors dtypes that can be read, and numpy's dtype for their bytes."""

MAX_AXES = 64
"""The most axes that NumPy's arrays have; converting an MLX array of more ends the process."""

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapters.safetensors"
RUN_CONFIG = "config.yaml"
SEEN_TEXTS = "seen_texts.tsv"
RUN_FILES = (RUN_CONFIG, SEEN_TEXTS)
"""Files that a training run saves with its model: its settings and hashes of the texts seen."""
MODEL_FILES = TOKENIZER_FILES | {
    "config.json",
    "model.safetensors",
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    *RUN_FILES,
}
"""Every file that a saved model can have, whole or as adapters."""


def read_config(folder: Path) -> dict[str, Any]:
    """Read a folder's `config.json`."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} {explain_missing(folder, 'config.json')}")
    config = read_json(folder / "config.json")
    refuse_other_quantization(config, folder)
    return config


def refuse_other_quantization(config: dict[str, Any], folder: Path) -> None:
    """Refuse weights that another tool has quantized.

    mlx-lm writes the format read here under both keys.
    """
    found = config.get("quantization_config")
    if found and found != config.get("quantization"):
        tool = str(found.get("quant_method", found) if isinstance(found, dict) else found)[
            :QUOTE_LENGTH
        ]
        raise InputError(
            f"{folder} was quantized by another tool (config.json, quantization_config: {tool});"
            " use the checkpoint from before quantization"
        )


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds a JSON object, with or without a byte order mark."""
    require_format(path, TEXT)
    return read_json_object(path, "download it again")


def read_weights(folder: Path) -> tuple[Weights, list[str]]:
    """Read the tensors of a folder; also return the names of the files they came from.

    If a training script nested the weights in its file, the name includes the entry, as in
    "pytorch_model.bin['state_dict']".
    """
    kind, names = weight_files(folder)
    if not names:
        lacking = "weights, model.safetensors (or its shards) or pytorch_model.bin"
        raise InputError(f"{folder} {explain_missing(folder, lacking)}")
    if kind == SAFETENSORS:
        found = [(read_safetensors(folder / name), "") for name in names]
    else:
        found = [read_torch_file(folder / name) for name in names]
    weights = {key: value for tensors, _ in found for key, value in tensors.items()}
    return weights, [name + entry for name, (_, entry) in zip(names, found, strict=True)]


def weight_files(folder: Path) -> tuple[str, list[str]]:
    """Find the files of a whole model's weights: their format, and their names in the folder.

    Safetensors are read if a folder has both formats. There are no names if it has neither.
    """
    for kind, name in WEIGHT_NAMES.items():
        if (folder / name).is_file():
            return kind, [name]
        index = folder / index_of(name)
        if index.is_file() and (names := shards_of(index)):
            return kind, names
    return SAFETENSORS, []


def index_of(name: str) -> str:
    """Return the name of the file that lists the shards of a file of weights."""
    return f"{name}.index.json"


def shards_of(index: Path) -> list[str]:
    """List the files of a sharded checkpoint, all of which must be in its folder."""
    try:
        shards = sorted(set(read_json(index)["weight_map"].values()))
        paths = [index.parent / shard for shard in shards]
    except (KeyError, AttributeError, TypeError):
        raise InputError(f"{index} is not an index of shards; download it again") from None
    for shard, path in zip(shards, paths, strict=True):
        if path.parent != index.parent:
            raise InputError(
                f"{index} names {shard[:200]}, which is not directly in its folder; download it"
                " again"
            )
        if not is_there(path):
            raise InputError(
                f"{index} names {path.name[:200]}, which is missing; download that file"
            )
    return shards


def is_there(path: Path) -> bool:
    """Whether there is a file with this name, which may be none that a disk can hold."""
    with suppress(OSError, ValueError):
        return path.is_file()
    return False


def read_safetensors(path: Path) -> Weights:
    """Read the tensors of one file; float64 becomes float32.

    The file is read completely, so that damage is found here.

    Raises:
        InputError: for a damaged file, another format, or a dtype that MLX does not have.
    """
    require_format(path, SAFETENSORS)
    try:
        with safe_open(path, "numpy") as file:
            tensors = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            dtypes = {key: tensor.get_dtype() for key, tensor in tensors.items()}
            axes = {key: len(tensor.get_shape()) for key, tensor in tensors.items()}
        for key, dtype in dtypes.items():
            if dtype not in NUMPY_DTYPES:
                raise InputError(
                    f"{path}: the tensor {shown(key)} has the unsupported dtype {dtype}; use the"
                    " checkpoint in float32, float16 or bfloat16"
                )
            if axes[key] > MAX_AXES:
                raise InputError(
                    f"{path} is damaged: the tensor {shown(key)} has {axes[key]:,} axes; download"
                    " it again"
                )
        if "F64" in dtypes.values():
            return {name: array_of(**tensor) for name, tensor in deserialize(path.read_bytes())}
        # A dictionary in this format; MLX's stub has one type for all formats.
        weights = cast(Weights, mx.load(str(path), format="safetensors"))
        mx.eval(weights)
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}; download it again") from None
    return weights


def array_of(dtype: str, shape: list[int], data: bytes) -> mx.array:
    """Build an array from the safetensors library's tensor; MLX's reader lacks float64."""
    array = mx.array(np.frombuffer(data, NUMPY_DTYPES[dtype])).reshape(shape)
    return array.view(mx.bfloat16) if dtype == "BF16" else array


def model_type_of(weights: Weights, folder: Path) -> str:
    """Find the model family by its key names, for configs older than `model_type`."""
    for model_type in FAMILIES:
        words = f".{model_type}.embeddings.word_embeddings.weight"
        if any(f".{key}".endswith(words) for key in weights):
            return model_type
    raise InputError(
        f"{folder}/config.json has no model_type, and the names of the weights do not show it;"
        f" add one of {', '.join(FAMILIES)}"
    )
