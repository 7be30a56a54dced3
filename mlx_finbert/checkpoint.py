"""Checkpoints on disk: Hugging Face folders in, Hugging Face folders out."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from mlx_finbert.atomic import written_beside
from mlx_finbert.errors import InputError
from mlx_finbert.hub import resolve
from mlx_finbert.models import Classifier, build, family_of
from mlx_finbert.models.id2label import fresh_id2label, id2label_of, kept_id2label
from mlx_finbert.tokenizer import TOKENIZER_FILES, Tokenizer, load_tokenizer
from mlx_finbert.weights import Weights, model_type_of, read_config, read_weights

log = logging.getLogger(__name__)

DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}

# Heads that classify sequences, and those that give way to a fresh one.
USABLE_ARCHITECTURES = (
    "ForSequenceClassification",
    "Model",
    "ForMaskedLM",
    "ForPreTraining",
    "WithLMHead",
)
BUFFERS = ("position_ids", "token_type_ids")


@dataclass
class LoadReport:
    """What `load` did with the tensors of a checkpoint."""

    source: Path
    files: list[str]
    new: list[str] = field(default_factory=list)
    """Parameters that the checkpoint lacks and that were drawn afresh: the head or part of it."""
    unused: list[str] = field(default_factory=list)
    """Tensors of the checkpoint that the classifier has no place for."""

    def __str__(self) -> str:
        parts = []
        if self.new:
            parts.append(f"newly initialised: {', '.join(self.new)} (fine-tune before use)")
        if self.unused:
            parts.append(f"not used: {', '.join(self.unused)}")
        return f"{self.source}: {'; '.join(parts) or 'every tensor was used'}"


def load(
    path_or_repo: str | Path,
    num_labels: int | None = None,
    labels: Sequence[str] | None = None,
    dtype: str | mx.Dtype | None = None,
    revision: str | None = None,
    new_head: bool = False,
) -> tuple[Classifier, Tokenizer]:
    """Load a BERT, DistilBERT or RoBERTa sequence classifier and its tokenizer.

    Args:
        path_or_repo: a folder in Hugging Face's layout, `minilm` for the packaged encoder, or a
            hub id. Weights are read from `model.safetensors`, from sharded safetensors, or from
            `pytorch_model.bin`, without PyTorch.
        num_labels: size of the head; the checkpoint's own where it has one, else 2.
        labels: names of the head's outputs, in their order.
        dtype: `float32`, `float16` or `bfloat16`; the checkpoint's own where None (float32 where
            it has several).
        revision: branch, tag or commit on the hub.
        new_head: draw a fresh head from MLX's random state even where the checkpoint has one.

    Returns:
        The model and a transformers tokenizer. A checkpoint without a head
        gets a fresh one, and one logged line names what is new and what was not used.

    Raises:
        InputError: one sentence on what is missing, damaged, unsupported or does not fit.
    """
    model, tokenizer, report = load_with_report(
        path_or_repo, num_labels, labels, dtype, revision, new_head
    )
    if report.new:
        log.warning("%s", report)
    return model, tokenizer


def load_with_report(
    path_or_repo: str | Path,
    num_labels: int | None = None,
    labels: Sequence[str] | None = None,
    dtype: str | mx.Dtype | None = None,
    revision: str | None = None,
    new_head: bool = False,
    *,
    labels_if_fresh: Sequence[str] | None = None,
) -> tuple[Classifier, Tokenizer, LoadReport]:
    """`load`, and what it did.

    `labels_if_fresh` names the outputs of a fresh head, and says nothing about one that is there.
    """
    dtype = as_dtype(dtype)
    labels = labels and [str(label) for label in labels]
    folder = resolve(path_or_repo, revision)
    config = read_config(folder)
    weights, files = read_weights(folder)
    report = LoadReport(folder, files)
    if not config.get("model_type"):
        config["model_type"] = model_type_of(weights, folder)

    weights = rename(weights, config)
    if new_head:
        weights, dropped = encoder_only(weights, config)
        report.unused += dropped
    else:
        require_sequence_head(config, folder)
    head_size = size_of_head(weights)
    own = id2label_of(config, default=head_size or 2)
    # It speaks for the checkpoint's labels; the model's may be others.
    config.pop("label2id", None)
    if head_size:
        config["id2label"] = kept_id2label(own, num_labels, labels, folder)
    else:
        config["id2label"] = fresh_id2label(own, num_labels, labels or labels_if_fresh)
    model = build(config)
    fill(model, weights, report, dtype)
    return model, load_tokenizer(folder, model.args), report


def load_trained(
    path_or_repo: str | Path, labels: Sequence[str] | None = None, revision: str | None = None
) -> tuple[Classifier, Tokenizer]:
    """`load` for use: a checkpoint without a trained head is refused."""
    model, tokenizer, report = load_with_report(path_or_repo, labels=labels, revision=revision)
    if report.new:
        raise InputError(
            f"{path_or_repo} has no trained classifier ({', '.join(report.new)} would be random):"
            " fine-tune it first with python -m mlx_finbert.train"
        )
    if model.args.num_labels < 2:
        raise InputError(f"{path_or_repo} has one output: a regression model, not a classifier")
    return model, tokenizer


def rename(weights: Weights, config: dict[str, Any]) -> Weights:
    """Old names of layer norms and missing prefixes brought to today's key names."""
    _, model_class = family_of(config)
    renamed = {}
    for key, value in weights.items():
        key = key.removeprefix("module.")
        if key.endswith((".gamma", ".beta")):
            key = key.replace(".gamma", ".weight").replace(".beta", ".bias")
        if key.startswith(("embeddings.", "encoder.", "transformer.", "pooler.")):
            key = model_class.prefix + key
        renamed[key] = value
    return renamed


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


def require_sequence_head(config: dict[str, Any], folder: Path) -> None:
    """A token classifier's head has the same key names: tell it by `architectures`."""
    for name in config.get("architectures") or []:
        if not str(name).endswith(USABLE_ARCHITECTURES):
            raise InputError(
                f"{folder} is a {name}: its head does not classify sequences;"
                " ask for a fresh one (new_head=True, --new-head) to use its encoder alone"
            )


def fill(model: Classifier, weights: Weights, report: LoadReport, dtype: mx.Dtype | None) -> None:
    """Put the weights into the model, every tensor accounted for.

    Raises:
        InputError: for a shape that does not fit, a parameter outside the head that is missing,
            or a tensor that no part of the family explains.
    """
    expected = dict(tree_flatten(model.parameters()))
    report.unused += explained(sorted(weights.keys() - expected.keys()), model, report.source)
    report.new += missing([key for key in expected if key not in weights], model, report.source)
    found = {key: value for key, value in weights.items() if key in expected}
    for key, value in found.items():
        if not mx.issubdtype(value.dtype, mx.floating):
            raise InputError(
                f"{report.source}: the tensor {key} is {value.dtype}, not of floating point:"
                " quantized checkpoints of other tools cannot be read"
            )
        if value.shape != expected[key].shape:
            raise InputError(
                f"{report.source}: the tensor {key} has shape {value.shape} in the checkpoint"
                f" and {expected[key].shape} by config.json and labels"
            )
    own_dtypes = {value.dtype for value in found.values()}
    dtype = dtype or (own_dtypes.pop() if len(own_dtypes) == 1 else mx.float32)
    found |= {
        key: fresh(key, expected[key].shape, model.args.initializer_range) for key in report.new
    }
    model.update(tree_unflatten([(key, value.astype(dtype)) for key, value in found.items()]))
    mx.eval(model.parameters())


def explained(keys: list[str], model: Classifier, source: Path) -> list[str]:
    """Refuse a tensor that is neither a pretraining head's nor a buffer of old versions."""
    for key in keys:
        if not key.startswith(model.pretraining) and not key.endswith(BUFFERS):
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


def as_dtype(dtype: str | mx.Dtype | None) -> mx.Dtype | None:
    """MLX's dtype for a name."""
    if dtype is None or isinstance(dtype, mx.Dtype):
        return dtype
    if dtype not in DTYPES:
        raise InputError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    return DTYPES[dtype]


def save(model: Classifier, tokenizer: Tokenizer, folder: str | Path) -> Path:
    """Write a folder that `transformers` opens as it is.

    `config.json`, `model.safetensors` under Hugging Face's key names, and the tokenizer's files
    are all written before the first moves into its place, so that each is whole. Files of an
    earlier tokenizer there are removed; other files stay.
    """
    folder = Path(folder).expanduser()
    with written_beside(folder) as part:
        write_model(model, part)
        tokenizer.save_pretrained(part)
        written = {file.name for file in part.iterdir()}
    # Another model's vocabulary would be read together with ours.
    for name in TOKENIZER_FILES - written:
        (folder / name).unlink(missing_ok=True)
    return folder


def write_model(model: Classifier, folder: Path) -> None:
    """`model.safetensors` and `config.json`, as `transformers` names and reads them."""
    weights = dict(tree_flatten(model.parameters()))
    path = folder / "model.safetensors"
    try:
        mx.save_safetensors(str(path), weights, metadata={"format": "pt"})
    except RuntimeError as error:
        raise OSError(None, f"cannot be written: {error}", str(path)) from error
    config = model.args.to_config() | {
        "architectures": [type(model).__name__],
        "dtype": str(next(iter(weights.values())).dtype).removeprefix("mlx.core."),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
