"""Loads models, whole or as adapters, from folders in Hugging Face's layout."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.backend.interface import adapt
from mlx_finbert.checkpoints.adapters import is_adapted, load_adapted
from mlx_finbert.checkpoints.config_fit import faults_of, require_fit
from mlx_finbert.checkpoints.files import model_type_of, read_config, read_weights
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.into_model import (
    LoadReport,
    encoder_only,
    fill,
    first_not_finite,
    fold_temperature,
    recorded_temperature,
    size_of_head,
)
from mlx_finbert.checkpoints.key_names import rename
from mlx_finbert.checkpoints.tokenizer import Tokenizer, load_tokenizer
from mlx_finbert.errors import InputError, quoted
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.models import Classifier, build, family_of
from mlx_finbert.models.config import HeadOptions, id2label_of
from mlx_finbert.models.config_fields import texts_of
from mlx_finbert.models.dropout import DropoutRates
from mlx_finbert.models.lora import has_lora
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.models.quantization import Quantization, pack, quantization_of

log = logging.getLogger(__name__)

DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}

CHECKPOINTS_RATES = DropoutRates()
"""Those of the checkpoint."""

# Heads that classify sequences, and those that are replaced by a new head.
USABLE_ARCHITECTURES = (
    "ForSequenceClassification",
    "Model",
    "ForMaskedLM",
    "ForPreTraining",
    "WithLMHead",
)


def load(
    path_or_repo: str | os.PathLike[str],
    num_labels: int | None = None,
    labels: Sequence[str] | None = None,
    dtype: str | mx.Dtype | None = None,
    revision: str | None = None,
    new_head: bool = False,
    base_model: str | Path | None = None,
) -> tuple[Classifier, Tokenizer]:
    """Load a BERT, DistilBERT or RoBERTa sequence classifier and its tokenizer.

    Args:
        path_or_repo: a folder in Hugging Face's layout, `minilm` for the packaged encoder, a hub
            id, the result of `fine_tune`, or a folder of adapters, whose base model is loaded with
            them. Weights are read from `model.safetensors`, from sharded safetensors, or from
            `pytorch_model.bin`, without PyTorch.
        num_labels: size of the head; by default the checkpoint's, or 2 if it has no head.
        labels: names of the head's outputs, in order.
        dtype: `float32`, `float16` or `bfloat16`; None keeps the checkpoint's dtype (float32 if it
            has several, and with adapters).
        revision: branch, tag or commit on the hub.
        new_head: initialise a new head from MLX's random state even if the checkpoint has one.
        base_model: where the base model of adapters is now, if it has moved.

    Returns:
        The model and a transformers tokenizer. A checkpoint without a head gets a new one, and one
        logged line names what is new and what was not used.

    Raises:
        InputError: one sentence on what is missing, damaged, unsupported or does not fit.
    """
    head = HeadOptions(num_labels, labels, is_new=new_head)
    model, tokenizer, report = load_with_report(
        os.fspath(path_or_repo), head, dtype, revision, base_model
    )
    if report.new:
        log.warning("%s", report)
    return model, tokenizer


def load_with_report(
    path_or_repo: str | Path,
    head: HeadOptions | None = None,
    dtype: str | mx.Dtype | None = None,
    revision: str | None = None,
    base_model: str | Path | None = None,
    dropout: DropoutRates = CHECKPOINTS_RATES,
) -> tuple[Classifier, Tokenizer, LoadReport]:
    """Load as `load` does, and return a report too; `dropout` is for a folder without adapters."""
    head, dtype = head or HeadOptions(), as_dtype(dtype)
    folder = resolve(path_or_repo, revision)

    def read() -> tuple[Classifier, Tokenizer, LoadReport]:
        if is_adapted(folder):
            if head.is_new:
                raise InputError(
                    f"{folder} holds adapters with their own head; fuse them before asking for a"
                    " new one"
                )
            model, report = load_adapted(folder, base_model)
            model.args.id2label = head.kept(model.args.id2label, folder)
            model.set_dtype(dtype or mx.float32)
        else:
            if base_model is not None:
                raise InputError(f"{folder} holds no adapters; leave out `base_model`")
            with faults_of(folder / "config.json"):
                model, report = load_whole(folder, head, dtype, dropout)
        adapt(model)
        # What is still pending could be computed in this thread only.
        mx.eval(model.parameters())
        return model, load_tokenizer(folder, model), report

    model, tokenizer, report = read_whole(folder, read)
    if dtype and (name := first_not_finite(named_parameters(model))):
        said = str(dtype).removeprefix("mlx.core.")
        raise InputError(f"{folder}: the weight {name} is too large for {said}; choose float32")
    return model, tokenizer, report


def load_whole(
    folder: Path,
    head: HeadOptions,
    dtype: mx.Dtype | None,
    dropout: DropoutRates = CHECKPOINTS_RATES,
) -> tuple[Classifier, LoadReport]:
    """Load a folder with a config and all weights, quantized if the config says so."""
    config = read_config(folder)
    weights, files = read_weights(folder)
    report = LoadReport(folder, files)
    if not config.get("model_type"):
        config["model_type"] = model_type_of(weights, folder)

    weights = rename(weights, config, folder, encoder_alone=head.is_new)
    if head.is_new:
        weights, dropped = encoder_only(weights, config)
        report.unused += dropped
    else:
        require_sequence_head(config, folder)
    head_size = size_of_head(weights)
    own = id2label_of(config, default=head_size or 2)
    # It describes the checkpoint's labels; the model's may differ.
    config.pop("label2id", None)
    if head_size:
        config["id2label"] = head.kept(own, folder)
    else:
        config["id2label"] = head.fresh(own)
        # It describes a head that the checkpoint does not have.
        config.pop("problem_type", None)
    require_fit(config, weights, folder)
    model = build(config | dropout.in_config(family_of(config)[0]))
    if quantization := Quantization.from_config(config):
        pack(model, quantization)
    fill(model, weights, report, dtype)
    if head_size:
        report.temperature = recorded_temperature(config, folder / "config.json")
        fold_temperature(model, report.temperature)
    return model, report


def load_trained(
    path_or_repo: str | Path,
    labels: Sequence[str] | None = None,
    revision: str | None = None,
    base_model: str | Path | None = None,
) -> tuple[Classifier, Tokenizer]:
    """Load a model for use; refuse a checkpoint without a trained head."""
    model, tokenizer, report = load_with_report(
        path_or_repo, HeadOptions(labels=labels), revision=revision, base_model=base_model
    )
    if report.new:
        raise InputError(
            f"{path_or_repo} has no trained classifier ({', '.join(report.new)} would be random);"
            " fine-tune it first with python -m mlx_finbert.train"
        )
    if model.args.num_labels < 2:
        raise InputError(
            f"{path_or_repo} has one output: it is a regression model; give a classifier"
        )
    return model, tokenizer


def require_plain(model: Classifier, name: str | Path) -> None:
    """Refuse a model with adapters or quantized weights; training and export need plain weights.

    Args:
        model: from `load`.
        name: the user's name for it.
    """
    if has_lora(model):
        raise InputError(
            f"{name} holds adapters; fuse them first with python -m mlx_finbert.convert.fuse"
            f" --model {name} --output DIR"
        )
    if quantization_of(model):
        raise InputError(
            f"{name} is quantized, and cannot be trained or converted; use the checkpoint that it"
            " was made from"
        )


def require_sequence_head(config: dict[str, Any], folder: Path) -> None:
    """Refuse other kinds of heads by `architectures`; a token classifier has the same key names."""
    for name in texts_of(config, "architectures"):
        if not name.endswith(USABLE_ARCHITECTURES):
            raise InputError(
                f"{folder} is a {name}, whose head does not classify sequences;"
                " use its encoder with a new head (`new_head=True`)"
            )


def as_dtype(dtype: str | mx.Dtype | None) -> mx.Dtype | None:
    """Convert a name to MLX's dtype."""
    if dtype is None or isinstance(dtype, mx.Dtype):
        return dtype
    if dtype not in DTYPES:
        raise InputError(f"dtype is {quoted(dtype)}; use one of {', '.join(DTYPES)}")
    return DTYPES[dtype]
