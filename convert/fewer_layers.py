"""Makes a smaller checkpoint from some layers of another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlx_finbert.checkpoints.files import Weights, read_json
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.into_model import LoadReport
from mlx_finbert.checkpoints.load import DTYPES, require_plain
from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.checkpoints.save import new_model, write_json, write_safetensors
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.training_run import run_files
from mlx_finbert.convert.as_distilbert import (
    as_distilbert_tokenizer,
    distilbert_args,
    distilbert_weights,
    require_convertible,
)
from mlx_finbert.convert.checkpoints import claimed_output, load_with_run_files
from mlx_finbert.convert.settings import ShrinkSettings
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.models import Classifier
from mlx_finbert.models.bert import BertArgs
from mlx_finbert.models.config import ClassifierArgs
from mlx_finbert.models.distilbert import DistilBertArgs
from mlx_finbert.models.masked_lm import MaskedLM, without_labels
from mlx_finbert.models.parameters import named_parameters

ENCODERS = {"bert": "BertModel", "distilbert": "DistilBertModel", "roberta": "RobertaModel"}
"""transformers' classes of models without a head, by model type."""
AS_DISTILBERT = {"BertForMaskedLM": "DistilBertForMaskedLM"}
"""The classes whose head a DistilBERT can have too."""
MASKED_LM = ("ForMaskedLM", "ForPreTraining", "WithLMHead")
"""Endings of transformers' classes with a masked-language head."""


@dataclass
class Checkpoint:
    """What a checkpoint's `config.json` and weights say."""

    args: ClassifierArgs
    architecture: str
    """transformers' class of the model."""
    weights: Weights

    @classmethod
    def of(cls, model: Classifier | MaskedLM, loaded: LoadReport) -> "Checkpoint":
        """The part of a loaded model that its checkpoint has; an incomplete head is left out."""
        weights = named_parameters(model)
        if not loaded.new:
            return cls(model.args, type(model).__name__, weights)
        kept = {
            name: value
            for name, value in weights.items()
            if name.startswith(model.prefix) and name not in loaded.new
        }
        return cls(model.args, ENCODERS[model.args.model_type], kept)

    @property
    def is_classifier(self) -> bool:
        return self.architecture.endswith("ForSequenceClassification")

    @property
    def is_masked_lm(self) -> bool:
        return self.architecture.endswith("ForMaskedLM")

    @property
    def dtype(self) -> str:
        """The name of the weights' dtype."""
        own = next(iter(self.weights.values())).dtype
        return next(name for name, dtype in DTYPES.items() if dtype == own)

    @property
    def size(self) -> str:
        """The model's class, the number of its parameters, their dtype and their size."""
        parameters = sum(value.size for value in self.weights.values())
        megabytes = sum(value.nbytes for value in self.weights.values()) / 1e6
        return f"{self.architecture}, {parameters:,} parameters, {self.dtype}, {megabytes:.1f} MB"

    def write(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json`."""
        write_safetensors(self.weights, folder / "model.safetensors")
        config = self.args.to_config()
        if self.is_masked_lm:
            config = without_labels(config) | {"tie_word_embeddings": True}
        config |= {"architectures": [self.architecture], "dtype": self.dtype}
        write_json(config, folder / "config.json")


@dataclass
class ShrinkReport:
    """The outcome of shrinking a model."""

    output: Path
    loaded: LoadReport
    layers: list[int]
    """Numbers of the layers that were kept, in the original."""
    of_layers: int
    before: Checkpoint
    after: Checkpoint
    lost: list[str]
    """A phrase for each tensor outside the removed layers that was not kept."""

    @property
    def head(self) -> str:
        """What became of the head."""
        if self.after.is_classifier or self.after.is_masked_lm:
            if len(self.layers) == self.of_layers:
                return "kept"
            return "kept, but it was trained with all layers: train the model before use"
        if self.before.is_classifier:
            return (
                "none: the classifier was trained on the pooler, which a DistilBERT does not have;"
                " training starts a new one for the same labels"
            )
        return "none, as before; training starts a new one"

    def __str__(self) -> str:
        numbers = ", ".join(map(str, self.layers))
        lines = [
            f"{self.loaded.source} ({', '.join(self.loaded.files)}) -> {self.output}",
            f"layers: {len(self.layers)} of {self.of_layers} ({numbers})",
            f"before: {self.before.size}",
            f"after:  {self.after.size}",
            f"head: {self.head}",
            f"lost: {', '.join([*self.lost, *self.loaded.unused]) or 'nothing else'}",
        ]
        if not self.after.is_masked_lm:
            lines.append(f"labels: {', '.join(self.after.args.labels)}")
        return "\n".join(lines)


def shrink(settings: ShrinkSettings) -> ShrinkReport:
    """Load a checkpoint and save some of its layers, with everything else that it has.

    Raises:
        InputError: if the checkpoint or the layers cannot be used, or the output folder already
            holds a model.
    """
    with claimed_output(settings.output, settings.overwrite) as output:
        model, tokenizer, loaded, files = load(settings)
        of_layers = len(model.encoder.layer)
        layers = chosen_layers(settings, of_layers)
        before = Checkpoint.of(model, loaded)
        keep_layers(model, layers)
        after = Checkpoint.of(model, loaded)
        # Of a head that the checkpoint has in part.
        lost = [name for name in named_parameters(model) if name not in after.weights]
        lost = [name for name in lost if name not in loaded.new]
        if settings.to_distilbert:
            args = require_convertible(model.args, settings.model)
            after, without_place = as_distilbert(after, args)
            lost += without_place
            tokenizer = as_distilbert_tokenizer(tokenizer)
        with new_model(output, tokenizer, files) as part:
            after.write(part)
    return ShrinkReport(output, loaded, layers, of_layers, before, after, lost)


def load(
    settings: ShrinkSettings,
) -> tuple[Classifier | MaskedLM, Tokenizer, LoadReport, dict[str, bytes]]:
    """Load a model with the head that its checkpoint has, and its run's files.

    A masked-language model is loaded in float32.

    Raises:
        InputError: also for adapters and for quantized weights.
    """
    folder = resolve(settings.model, settings.revision)

    def read() -> tuple[Classifier | MaskedLM, Tokenizer, LoadReport, dict[str, bytes]]:
        if is_masked_lm(folder):
            return *load_masked_lm(folder), run_files(folder)
        loaded = load_with_run_files(settings.model, revision=settings.revision)
        require_plain(loaded[0], settings.model)
        return loaded

    return read_whole(folder, read)


def is_masked_lm(folder: Path) -> bool:
    """Whether a checkpoint's config names a class with a masked-language head."""
    path = folder / "config.json"
    names = read_json(path).get("architectures") if path.is_file() else None
    return any(str(name).endswith(MASKED_LM) for name in names or ())


def chosen_layers(settings: ShrinkSettings, of_layers: int) -> list[int]:
    """The layers that the settings ask for.

    Raises:
        InputError: if one does not exist, is named twice or out of order, or all are kept in the
            same form.
    """
    layers = every_second(of_layers) if settings.layers is None else settings.layers
    named = ",".join(map(str, layers))
    start = f"`layers={named}`"
    if not layers:
        raise InputError("`layers` names none: name the layers to keep, such as `layers=0,2`")
    for layer in layers:
        if not 0 <= layer < of_layers:
            raise InputError(
                f"{start}: {settings.model} has no layer {layer}: its layers are 0 to"
                f" {of_layers - 1}"
            )
        if layers.count(layer) > 1:
            raise InputError(f"{start} names layer {layer} twice: name each layer once")
    if layers != sorted(layers):
        raise InputError(
            f"{start} is not in ascending order, in which layers compute: write"
            f" `layers={','.join(map(str, sorted(layers)))}`"
        )
    if len(layers) == of_layers and not settings.to_distilbert:
        raise InputError(
            f"{settings.model} has {of_layers} layers and all are kept: name fewer with `layers`"
        )
    return layers


def every_second(of_layers: int) -> list[int]:
    """Choose half of n layers, rounded up to m, evenly from the first to the last.

    Layer i of them is number i (n - 1) / (m - 1), rounded, halves down. For n = 12 these are 0, 2,
    4, 7, 9 and 11, as in the script of Sanh et al. 2019, who take "one layer out of two" (section
    3; `scripts/extract.py` of their distillation code).
    """
    count = (of_layers + 1) // 2
    if count == 1:
        return [0]
    # In whole numbers, ceil(x - 1/2) of x = i (n - 1) / (m - 1).
    return [-((count - 1 - 2 * i * (of_layers - 1)) // (2 * (count - 1))) for i in range(count)]


def keep_layers(model: Classifier | MaskedLM, layers: Sequence[int]) -> None:
    """Remove all other layers from a model, in place."""
    model.encoder.layer = [model.encoder.layer[i] for i in layers]
    if isinstance(model.args, DistilBertArgs):
        model.args = replace(model.args, n_layers=len(layers))
    elif isinstance(model.args, BertArgs):
        model.args = replace(model.args, num_hidden_layers=len(layers))


def as_distilbert(checkpoint: Checkpoint, args: BertArgs) -> tuple[Checkpoint, list[str]]:
    """Write a BERT as a DistilBERT; also return what of it is lost."""
    weights, lost = distilbert_weights(checkpoint.weights)
    architecture = AS_DISTILBERT.get(checkpoint.architecture, ENCODERS["distilbert"])
    return Checkpoint(distilbert_args(args), architecture, weights), lost
