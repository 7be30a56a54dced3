"""The teacher: a trained classifier, its labels in the order of the student's."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.backend.interface import pad_multiple
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.load import load_trained
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens, tokenize
from mlx_finbert.errors import InputError
from mlx_finbert.labels import are_generic, canonical, match_labels, shown
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import named_parameters, weights_sha256
from mlx_finbert.models.quantization import quantization_of

BATCH_SIZE = 32


@dataclass
class Teacher:
    """A classifier with its own tokenizer and maximum length."""

    name: str
    """The user's name for it."""
    model: Classifier
    tokenizer: Tokenizer
    order: np.ndarray
    """int32 (num_labels,): the teacher's id of each of the student's labels."""

    @classmethod
    def open(cls, name: str, labels: Sequence[str]) -> "Teacher":
        """Load a teacher for a student with these labels.

        Raises:
            InputError: if it is not a trained classifier, or has other labels.
        """
        model, tokenizer = load_trained(name)
        return cls(name, model, tokenizer, order_of(labels, model.args.labels, name))

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Tokenize texts as the teacher reads them."""
        return tokenize(self.tokenizer, texts, self.tokenizer.model_max_length)

    def loader(self, texts: Sequence[str]) -> Loader:
        """Batches of texts for the forward pass."""
        pad, most = self.tokenizer.pad_token_id, self.tokenizer.model_max_length
        return Loader(self.tokens(texts), None, BATCH_SIZE, pad, most, multiple=pad_multiple())

    def ordered(self, logits: np.ndarray) -> np.ndarray:
        """Logits (N, num_labels) in the order of the student's labels."""
        return np.ascontiguousarray(logits[:, self.order])

    @property
    def sha256(self) -> str:
        """A hash of all that decides the logits of a text: weights, config, labels, tokenizer."""
        about = {
            "config": self.model.args.to_config(),
            "quantization": repr(quantization_of(self.model)),
            "order": self.order.tolist(),
            "tokenizer": self.tokenizer.backend_tokenizer.to_str(),
            "max_length": self.tokenizer.model_max_length,
        }
        digest = hashlib.sha256(weights_sha256(named_parameters(self.model)).encode())
        digest.update(json.dumps(about, sort_keys=True).encode())
        return digest.hexdigest()


def order_of(labels: Sequence[str], teacher_labels: Sequence[str], name: str) -> np.ndarray:
    """The teacher's id of each of the student's labels, matched by name: int32 (num_labels,).

    Raises:
        InputError: if one of them has a label that the other lacks.
    """
    own, others = ({canonical(label) for label in names} for names in (labels, teacher_labels))
    if own != others:
        advice = "give a teacher with the same labels"
        if are_generic(teacher_labels):
            advice = "name them in order under id2label in the teacher's config.json"
        raise InputError(
            f"`teacher={name}` has the labels {shown(teacher_labels)}, and the student"
            f" {shown(labels)}: {advice}"
        )
    return match_labels(labels, teacher_labels)


def require_other_folder(name: str, folder: Path) -> None:
    """Refuse to write a student over its teacher."""
    if folder.is_dir() and resolve(name).samefile(folder):
        raise InputError(
            f"`output_dir={folder}` holds the teacher, which the student would replace: name"
            " another folder"
        )


def require_comparable(
    teacher: Teacher,
    student: Classifier,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    tokens: Tokens,
    hidden: str,
) -> None:
    """Refuse to compare hidden states of different sizes, or of other tokens.

    Args:
        teacher: the teacher.
        student: the model to train.
        tokenizer: the student's, with the run's maximum length.
        texts: the training texts.
        tokens: these texts as the student reads them.
        hidden: the value of `distill_hidden`, for the message.

    Raises:
        InputError: names what differs.
    """
    where, name = f"`distill_hidden={hidden}`", teacher.name
    own, size = student.output_layer.weight.shape[-1], teacher.model.output_layer.weight.shape[-1]
    if own != size:
        raise InputError(
            f"{where}: the student's hidden states have {own} numbers and those of {name} {size}:"
            " leave it out, or take a student of the same hidden size"
        )
    most, needed = teacher.model.args.max_length, tokenizer.model_max_length
    if needed > most:
        raise InputError(
            f"{where}: {name} reads at most {most} tokens, and the student {needed}: set"
            f" `max_length={most}`"
        )
    same = tokenizer.get_vocab() == teacher.tokenizer.get_vocab()
    same = same and tokenizer.pad_token_id == teacher.tokenizer.pad_token_id
    if not same or not tokens.equals(tokenize(teacher.tokenizer, texts, needed)):
        raise InputError(
            f"{where}: {name} has another tokenizer than the student: leave it out, or take a"
            " student with the same one"
        )


def parameter_count(model: Classifier) -> int:
    """The number of parameters; a packed matrix counts as the one that it was made from."""
    return sum(map(sum, map(_sizes, model.modules())))


def _sizes(module: nn.Module) -> Iterator[int]:
    packed = isinstance(module, nn.QuantizedLinear | nn.QuantizedEmbedding)
    for name, value in module.items():
        if isinstance(value, mx.array) and not (packed and name in ("scales", "biases")):
            yield value.size * 32 // module.bits if packed and name == "weight" else value.size
