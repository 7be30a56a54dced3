"""Loads and writes masked-language models in Hugging Face's layout."""

import os
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.backend.interface import adapt
from mlx_finbert.checkpoints.adapters import is_adapted
from mlx_finbert.checkpoints.config_fit import faults_of, require_fit
from mlx_finbert.checkpoints.files import Weights, model_type_of, read_config, read_weights
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.into_model import LoadReport, fill
from mlx_finbert.checkpoints.key_names import other_tool, rename
from mlx_finbert.checkpoints.load import CHECKPOINTS_RATES
from mlx_finbert.checkpoints.save import dtype_of, write_json, write_safetensors
from mlx_finbert.checkpoints.tokenizer import Tokenizer, load_tokenizer
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.models import family_of
from mlx_finbert.models.dropout import DropoutRates
from mlx_finbert.models.masked_lm import MASKED_LMS, MaskedLM, build_masked_lm, without_labels
from mlx_finbert.models.parameters import named_parameters

POOLER = "bert.pooler."


def load_masked_lm(
    path_or_repo: str | os.PathLike[str],
    revision: str | None = None,
    dropout: DropoutRates = CHECKPOINTS_RATES,
) -> tuple[MaskedLM, Tokenizer, LoadReport]:
    """Load a BERT, DistilBERT or RoBERTa with its masked-language head, in float32.

    A checkpoint without this head gets a new one, from MLX's random state. A classifier gives its
    encoder. The pooler of a BERT stays in the model, frozen, for a classifier to start from.

    Args:
        path_or_repo: a folder in Hugging Face's layout, `minilm` or a hub id, as for `load`.
        revision: branch, tag or commit on the hub.
        dropout: rates to use in place of the checkpoint's.

    Returns:
        The model, a transformers tokenizer, and a report that names new and unused tensors.

    Raises:
        InputError: one sentence on what is missing, damaged, unsupported or does not fit.
    """
    folder = resolve(os.fspath(path_or_repo), revision)

    def read() -> tuple[MaskedLM, Tokenizer, LoadReport]:
        with faults_of(folder / "config.json"):
            model, report = load_whole(folder, dropout)
        adapt(model)
        # What is still pending could be computed in this thread only.
        mx.eval(model.parameters())
        return model, load_tokenizer(folder, model), report

    model, tokenizer, report = read_whole(folder, read)
    if tokenizer.mask_token_id is None:
        raise InputError(
            f"{folder}: the tokenizer has no mask token; use the files of the pretrained model"
        )
    return model, tokenizer, report


def load_whole(folder: Path, dropout: DropoutRates) -> tuple[MaskedLM, LoadReport]:
    """Load a folder with a config and all weights."""
    if is_adapted(folder):
        raise InputError(
            f"{folder} holds adapters; fuse them first with python -m mlx_finbert.convert.fuse"
            f" --model {folder} --output DIR"
        )
    config = read_config(folder)
    if config.get("quantization"):
        raise InputError(
            f"{folder} is quantized, and cannot be pretrained; use the checkpoint that it was made"
            " from"
        )
    weights, files = read_weights(folder)
    report = LoadReport(folder, files)
    if not config.get("model_type"):
        config["model_type"] = model_type_of(weights, folder)
    args_class, _ = family_of(config)
    model_class = MASKED_LMS[args_class.model_type]
    weights = rename(weights, config, folder, encoder_alone=True)
    weights = without_copies(weights, model_class, folder)
    weights, report.unused = without_other_heads(weights, model_class, folder)
    require_fit(without_labels(config), weights, folder)
    has_pooler = args_class.model_type == "bert" and any(key.startswith(POOLER) for key in weights)
    options: dict[str, Any] = {"pooler": True} if has_pooler else {}
    model = build_masked_lm(config | dropout.in_config(args_class), **options)
    fill(model, weights, report, mx.float32)
    return model, report


def without_copies(weights: Weights, model_class: type[MaskedLM], source: Path) -> Weights:
    """Remove the tensors that repeat others: the decoder's weight is the table of the embeddings.

    Raises:
        InputError: if a copy differs, as in a model whose decoder was trained by itself.
    """
    kept = {key: value for key, value in weights.items() if key not in model_class.copies}
    for copy, original in model_class.copies.items():
        if copy not in weights:
            continue
        if original in weights and not mx.array_equal(weights[copy], weights[original]):
            raise InputError(
                f"{source}: the tensor {copy} differs from {original}: the model's decoder is not"
                " tied to its embeddings, which is not supported; choose another checkpoint, or"
                f" remove {copy} from it"
            )
        kept.setdefault(original, weights[copy])
    return kept


def without_other_heads(
    weights: Weights, model_class: type[MaskedLM], source: Path
) -> tuple[Weights, list[str]]:
    """Remove the heads of classifiers and of other tasks; also return the names of their tensors.

    Raises:
        InputError: for a tensor of another tool, such as an adapter.
    """
    own = (model_class.prefix, *model_class.head)
    others = sorted(key for key in weights if not key.startswith(own))
    for key in others:
        if said := other_tool(key):
            raise InputError(f"{source}: the tensor {key} {said}")
    return {key: value for key, value in weights.items() if key not in others}, others


def write_masked_lm(model: MaskedLM, folder: Path) -> None:
    """Write `model.safetensors` and `config.json` for transformers' `AutoModelForMaskedLM`.

    The decoder's weight is not written a second time; the config says that it is tied. A BERT's
    pooler is, so that the folder is a start for a classifier too.
    """
    write_safetensors(named_parameters(model), folder / "model.safetensors")
    config = without_labels(model.args.to_config()) | {
        "architectures": [type(model).__name__],
        "dtype": str(dtype_of(model)).removeprefix("mlx.core."),
        "tie_word_embeddings": True,
    }
    write_json(config, folder / "config.json")
