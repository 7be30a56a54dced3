"""The models that are checked, each with weights, texts and labels that are the same everywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import adapt, compiled_value_and_grad
from mlx_finbert.checkpoints.hub import PACKAGED, PACKAGED_HUB_ID, PACKAGED_MODULE, resolve
from mlx_finbert.checkpoints.load import load_whole
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.labels import generic_labels
from mlx_finbert.models import Classifier, build
from mlx_finbert.models.config import HeadOptions
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.self_check.numpy_models import NumpyClassifier
from mlx_finbert.training.loss import Loss, loss_of_parameters
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.step import TrainStep, dropout_key

Arrays = dict[str, np.ndarray]

NUM_LABELS = 3
CLASS_WEIGHTS = np.array([1.5, 1.0, 0.5], np.float32)
SMOOTHING = 0.1
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0

ALMOST_OFF = 1e-9
"""A dropout rate that drops nothing, yet makes attention compute its probabilities itself."""

SMALL: dict[str, dict[str, Any]] = {
    "bert": {
        "model_type": "bert", "vocab_size": 60, "max_position_embeddings": 40,
        "hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2,
        "intermediate_size": 136, "type_vocab_size": 2, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    },
    "distilbert": {
        "model_type": "distilbert", "vocab_size": 60, "max_position_embeddings": 40,
        "dim": 96, "n_heads": 3, "n_layers": 2, "hidden_dim": 104, "activation": "gelu",
        "pad_token_id": 0,
        "dropout": 0.0, "attention_dropout": ALMOST_OFF, "seq_classif_dropout": 0.0,
    },
    "roberta": {
        "model_type": "roberta", "vocab_size": 60, "max_position_embeddings": 40,
        "hidden_size": 60, "num_attention_heads": 5, "num_hidden_layers": 2,
        "intermediate_size": 76, "type_vocab_size": 1, "hidden_act": "gelu",
        "layer_norm_eps": 1e-5, "pad_token_id": 1,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    },
}  # fmt: skip
"""Heads of 64, 32 and 12 numbers, for which Metal has different kernels."""

NAMES = {"bert": "BERT", "distilbert": "DistilBERT", "roberta": "RoBERTa"}

MINILM: dict[str, Any] = SMALL["bert"] | {
    "vocab_size": 30522, "max_position_embeddings": 512, "hidden_size": 384,
    "num_attention_heads": 12, "num_hidden_layers": 6, "intermediate_size": 1536,
}  # fmt: skip
"""The sizes of MiniLM, in which its weights may be random."""


@dataclass
class Subject:
    """A classifier without dropout, and texts with labels."""

    name: str
    config: dict[str, Any]
    weights: Arrays
    """float32, by name."""
    texts: list[np.ndarray]
    """int32 token ids."""
    learning_rate: float
    texts_per_row: int = 1
    gradient_checkpointing: bool = False

    @cached_property
    def label_ids(self) -> np.ndarray:
        """int32 (N,)."""
        return np.arange(len(self.texts), dtype=np.int32) % NUM_LABELS

    @cached_property
    def batch(self) -> Batch:
        """All texts in one padded batch."""
        places = -(-len(self.texts) // self.texts_per_row) * self.texts_per_row
        groups = [
            self.texts[i : i + self.texts_per_row] for i in range(0, places, self.texts_per_row)
        ]
        length = -(-max(sum(map(len, group)) for group in groups) // 8) * 8
        ids = np.full((len(groups), length), self.config["pad_token_id"], np.int32)
        mask = np.zeros_like(ids)
        for row, group in enumerate(groups):
            joined = np.concatenate(group)
            ids[row, : len(joined)] = joined
            numbers = np.arange(1, len(group) + 1)
            mask[row, : len(joined)] = np.repeat(numbers, [len(text) for text in group])
        filled = np.arange(places) < len(self.texts)
        labels = np.zeros(places, np.int32)
        labels[filled] = self.label_ids
        return Batch(ids, mask, labels, filled.astype(np.float32), np.arange(len(self.texts)))

    @property
    def update(self) -> Update:
        """An update of the batch."""
        rows = np.arange(len(self.texts))
        return Update(rows, rows + 1, self.label_ids, [self.batch])

    @cached_property
    def loss(self) -> Loss:
        return Loss(CLASS_WEIGHTS, SMOOTHING)

    @cached_property
    def expected_logits(self) -> np.ndarray:
        """Logits by NumPy, float64 (N, num_labels)."""
        return NumpyClassifier(self.config, self.weights).logits(self.texts)

    def model(self) -> Classifier:
        """Build the model in the present way to compute."""
        model = build(self.config)
        model.load_weights([(name, mx.array(value)) for name, value in self.weights.items()])
        model.encoder.gradient_checkpointing = self.gradient_checkpointing
        return adapt(model)

    def logits(self, dtype: mx.Dtype = mx.float32, key: mx.array | None = None) -> mx.array:
        """Logits (N, num_labels) of this dtype."""
        model, batch = self.model(), self.batch
        model.set_dtype(dtype)
        found = model(
            mx.array(batch.input_ids),
            mx.array(batch.attention_mask),
            dropout_key=key,
            examples=self.texts_per_row,
        )
        return found[: len(self.texts)]

    def gradients(self, weights: Arrays | None = None) -> Arrays:
        """Gradients of the mean loss, float64, at these weights or the subject's own."""
        model = self.model()
        parameters = named_parameters(model)
        if weights:
            parameters = {name: mx.array(value) for name, value in weights.items()}
        function = compiled_value_and_grad(loss_of_parameters(model, self.loss, {}, "float32"))
        rows = tuple(map(mx.array, self.loss.arrays(self.batch)))
        factor = mx.array(1 / self.loss.total_weight(self.update))
        _, found = function(parameters, rows, dropout_key(0), factor)
        return to_numpy(found, np.float64)

    def steps(self, count: int) -> Iterator[tuple[float, dict[str, mx.array]]]:
        """Train; yield the mean loss of each step and the weights after it."""
        model = self.model()
        groups = make_groups(named_parameters(model), len(model.encoder.layer))
        step = TrainStep(
            model,
            groups,
            Adam(WEIGHT_DECAY),
            self.loss,
            max_grad_norm=MAX_GRAD_NORM,
        )
        for number in range(count):
            output = step(self.update, number, self.learning_rate)
            yield output.loss / output.weight, named_parameters(model)


def small_subjects() -> list[Subject]:
    """One model of each family; between them, they take every path through the layers.

    BERT's rows hold two texts, DistilBERT's attention computes its probabilities itself, and
    RoBERTa's layers are computed again in the backward pass.
    """
    return [
        _small("bert", texts_per_row=2),
        _small("distilbert"),
        _small("roberta", gradient_checkpointing=True),
    ]


def _small(family: str, **more: Any) -> Subject:
    config = SMALL[family] | {"id2label": generic_labels(NUM_LABELS)}
    random = np.random.default_rng(len(family))
    weights = {
        name: _as_trained(name, value.shape, random).astype(np.float32)
        for name, value in named_parameters(build(config)).items()
    }
    texts = made_up_texts(random, 9, 17, config["vocab_size"])
    return Subject(NAMES[family], config, weights, texts, learning_rate=1e-3, **more)


def _as_trained(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Weights with which every part of a layer shows in the logits.

    The embeddings are small, so that the epsilon of the first layer norm does too.
    """
    if "embeddings.weight" in name:
        return random.normal(0, 0.003, shape)
    if "norm" in name.lower() and name.endswith("weight"):
        return random.normal(1, 0.2, shape)
    if name.endswith("bias"):
        return random.normal(0, 0.2, shape)
    return random.normal(0, 1.2 / shape[1] ** 0.5, shape)


def made_up_texts(
    random: np.random.Generator, count: int, longest: int, vocab_size: int
) -> list[np.ndarray]:
    """Token ids of texts of random lengths, without padding; the first one is the longest."""
    lengths = [longest, *random.integers(2, longest + 1, count - 1)]
    return [random.integers(5, vocab_size, length).astype(np.int32) for length in lengths]


def minilm_subject() -> Subject:
    """MiniLM, or random weights in its sizes if it is not on this machine."""
    random = np.random.default_rng(0)
    texts = made_up_texts(random, 8, 24, MINILM["vocab_size"])
    mx.random.seed(0)
    folder = minilm_folder()
    if folder:
        model, _ = load_whole(folder, HeadOptions(NUM_LABELS), mx.float32)
        name = "MiniLM"
    else:
        model = build(MINILM | {"id2label": generic_labels(NUM_LABELS)})
        name = "random weights, as MiniLM is not on this machine"
    config = model.args.to_config() | MINILM
    weights = to_numpy(named_parameters(model), np.float32)
    return Subject(name, config, weights, texts, learning_rate=1e-4)


def minilm_folder() -> Path | None:
    """The folder of the installed or cached encoder; never downloads it."""
    if find_spec(PACKAGED_MODULE):
        return resolve(PACKAGED)
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(PACKAGED_HUB_ID, "model.safetensors")
    return Path(cached).parent if isinstance(cached, str) else None


def to_numpy(arrays: dict[str, mx.array], dtype: type) -> Arrays:
    """Copy arrays of float32 to NumPy."""
    return {name: np.array(value).astype(dtype) for name, value in arrays.items()}
