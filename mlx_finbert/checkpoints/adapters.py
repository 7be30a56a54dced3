"""Adapters on disk: a folder with the weights that a LoRA run trained and its base model's name.

`adapters.safetensors` holds the adapters and the head in float32, under the model's own key names.
`adapter_config.json` holds the `base_model` (with the hub's `revision` and a `base_sha256` of its
weights), the `lora` settings and the model's `config`, labels included.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_unflatten

from mlx_finbert.checkpoints.config_fit import GENERAL, faults_of, require_fit
from mlx_finbert.checkpoints.files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    Weights,
    read_json,
    read_safetensors,
    read_weights,
)
from mlx_finbert.checkpoints.hub import PACKAGED, resolve
from mlx_finbert.checkpoints.into_model import (
    LoadReport,
    encoder_only,
    fill,
    fold_temperature,
    is_floating,
    recorded_temperature,
    require_finite,
)
from mlx_finbert.checkpoints.key_names import rename
from mlx_finbert.checkpoints.save import new_model, write_json, write_safetensors
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.errors import QUOTE_LENGTH, InputError, first_line, shown
from mlx_finbert.files.paths import local_path
from mlx_finbert.models import Classifier, build
from mlx_finbert.models.lora import LoraConfig, adapter_parameters, add_lora, has_lora
from mlx_finbert.models.parameters import named_parameters, weights_sha256
from mlx_finbert.settings import require_types


@dataclass
class Adapted:
    """The content of `adapter_config.json`."""

    base_model: str
    revision: str | None
    base_sha256: str
    lora: LoraConfig
    config: dict[str, Any]


def save_adapters(
    model: Classifier,
    tokenizer: Tokenizer,
    folder: str | Path,
    lora: LoraConfig,
    base_model: str,
    revision: str | None = None,
    run_files: Mapping[str, bytes] | None = None,
) -> Path:
    """Save adapters to a folder that `load` opens while the base model stays in its place.

    As with `save`, files of an earlier model in the folder are removed.

    Args:
        model, tokenizer: the model with adapters; its other weights are those of `base_model`.
        folder: the folder to write; not the base model's.
        lora: the settings that the adapters were made with.
        base_model: folder or hub id; a folder's path is made absolute.
        revision: the base model's revision on the hub.
        run_files: as for `save`.

    Raises:
        InputError: for a model without adapters, or if the folder is the base model's.
    """
    folder = local_path(folder)
    if not has_lora(model):
        raise InputError("the model has no adapters; save it with mlx_finbert.save")
    require_other_folder(folder, base_model)
    with new_model(folder, tokenizer, run_files or {}) as part:
        write_adapters(model, part, lora, base_model, revision)
    return folder


def write_adapters(
    model: Classifier, folder: Path, lora: LoraConfig, base_model: str, revision: str | None
) -> None:
    """Write `adapters.safetensors` and `adapter_config.json`; arguments as for `save_adapters`."""
    base = local_path(base_model)
    if base_model != PACKAGED and base.is_dir():
        base_model = str(base.resolve())
    adapted = Adapted(base_model, revision, base_sha256(model), lora, model.args.to_config())
    weights = {name: v.astype(mx.float32) for name, v in adapter_parameters(model).items()}
    write_safetensors(weights, folder / ADAPTER_WEIGHTS)
    write_json(asdict(adapted), folder / ADAPTER_CONFIG)


def require_other_folder(folder: Path, base_model: str) -> None:
    """Refuse to write adapters over the files of their base model."""
    base = local_path(base_model)
    is_folder = base_model != PACKAGED and base.is_dir() and folder.is_dir()
    if is_folder and folder.samefile(base):
        raise InputError(f"{folder} holds the base model of these adapters; choose another folder")


def base_sha256(model: Classifier) -> str:
    """Hash the names and float32 weights that a model with adapters takes from its base model."""
    own = adapter_parameters(model)
    every = named_parameters(model)
    return weights_sha256({n: v.astype(mx.float32) for n, v in every.items() if n not in own})


def require_base(model: Classifier, folder: Path) -> None:
    """Refuse a model whose base weights are not those that a folder's adapters were trained on.

    Raises:
        InputError: names the base model that is needed.
    """
    adapted = read_adapter_config(folder)
    if base_sha256(model) != adapted.base_sha256:
        raise InputError(
            f"the weights of the base model differ from those that the adapters in {folder} were"
            f" trained on ({adapted.base_model}); give that model (`base_model`, or `model` of"
            " train)"
        )


def is_adapted(folder: Path) -> bool:
    """Whether a folder holds adapters instead of a whole model."""
    return (folder / ADAPTER_CONFIG).is_file()


def load_adapted(folder: Path, base_model: str | Path | None) -> tuple[Classifier, LoadReport]:
    """Load a folder's adapters and head together with their base model, in float32.

    Args:
        folder: from `save_adapters`.
        base_model: where the base model is now; None for the place that the folder names.

    Raises:
        InputError: if the base model is missing or a different one, or a file is damaged.
    """
    adapted = read_adapter_config(folder)
    base = resolve_base(adapted, folder, base_model)
    weights, files = read_weights(base)
    with faults_of(folder / ADAPTER_CONFIG):
        model = _with_adapters(adapted, weights, LoadReport(base, files))
    require_base(model, folder)
    load_adapters(model, folder)
    with faults_of(folder / ADAPTER_CONFIG):
        fold_temperature(model, recorded_temperature(adapted.config, folder / ADAPTER_CONFIG))
    return model, LoadReport(folder, [*files, ADAPTER_WEIGHTS])


def _with_adapters(adapted: Adapted, weights: Weights, report: LoadReport) -> Classifier:
    """A model with the base model's weights, and adapters and a head as built."""
    weights = rename(weights, adapted.config, report.source, encoder_alone=True)
    encoder, _ = encoder_only(weights, adapted.config)
    require_fit(adapted.config, encoder, report.source)
    model = build(adapted.config)
    fill(model, encoder | adapter_parameters(model), report, mx.float32)
    try:
        add_lora(model, adapted.lora)
    except InputError as error:
        raise InputError(f"{GENERAL}{error}") from None
    return model


def read_adapter_config(folder: Path) -> Adapted:
    """Read a folder's `adapter_config.json`."""
    path = folder / ADAPTER_CONFIG
    found = read_json(path)
    if "peft_type" in found:
        raise InputError(
            f"{folder} is a PEFT adapter ({found['peft_type']}) of"
            f" {found.get('base_model_name_or_path')}; merge it in Python with merged ="
            f" AutoPeftModelForSequenceClassification.from_pretrained({str(folder)!r})"
            ".merge_and_unload() and merged.save_pretrained(DIR), then give DIR"
        )
    try:
        adapted = Adapted(**found | {"lora": lora_config(found["lora"])})
        texts = [adapted.base_model, adapted.base_sha256]
        texts += [adapted.revision] if adapted.revision is not None else []
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("base_model, base_sha256 and revision must be texts")
        if not isinstance(adapted.config, dict):
            raise TypeError(f"config is a {type(adapted.config).__name__}, not an object")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} was not written by mlx-finbert, or is damaged:"
            f" {first_line(error)[:QUOTE_LENGTH]};"
            " adapters of other tools cannot be read"
        ) from None
    return adapted


def lora_config(found: Any) -> LoraConfig:
    """Read the settings of adapters, with their types.

    Raises:
        TypeError: for another kind of value or an unknown setting.
        ValueError, OverflowError: for a value out of range.
    """
    if not isinstance(found, dict):
        raise TypeError(f"lora is a {type(found).__name__}, not an object")
    rates = {key: float(found[key]) for key in ("alpha", "dropout") if type(found.get(key)) is int}
    lora = LoraConfig(**found | rates)
    require_types(lora)
    return lora


def resolve_base(adapted: Adapted, folder: Path, base_model: str | Path | None) -> Path:
    """Find the folder of the base model."""
    try:
        if base_model is not None:
            return resolve(base_model)
        return resolve(adapted.base_model, adapted.revision)
    except InputError as error:
        raise InputError(
            f"the adapters in {folder} need their base model: {error}; if it has moved, give its"
            " new place with load(..., base_model=...), or fuse them with"
            f" python -m mlx_finbert.convert.fuse --model {folder} --base-model PLACE --output DIR"
        ) from None


def read_adapters(folder: Path) -> Weights:
    """Read the tensors of a folder's adapters and head."""
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        raise InputError(
            f"{folder} has {ADAPTER_CONFIG} but no {ADAPTER_WEIGHTS}; copy the folder again"
        )
    return read_safetensors(path)


def load_adapters(model: Classifier, folder: str | Path) -> None:
    """Load saved adapters and their head into a model that already has adapters of that shape.

    Raises:
        InputError: names the file and a tensor that is missing, unexpected or of another shape.
    """
    folder = local_path(folder)
    path = folder / ADAPTER_WEIGHTS
    found, expected = read_adapters(folder), adapter_parameters(model)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise InputError(f"{path}: the tensor {name} is missing")
        if name not in expected:
            raise InputError(
                f"{path}: the tensor {shown(name)} has no place in the model's adapters"
            )
        if found[name].shape != expected[name].shape or not is_floating(found[name]):
            raise InputError(
                f"{path}: the tensor {name} is {found[name].dtype} {shown(found[name].shape)},"
                f" but the model's is {expected[name].dtype} {expected[name].shape}"
            )
    require_finite(found, f"{path}: ")
    weights = [(name, value.astype(expected[name].dtype)) for name, value in found.items()]
    model.update(tree_unflatten(weights))
    mx.eval(model.parameters())
