"""The part of `config.json` that all model families share: `id2label`, activations, shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar, Self, get_args, get_type_hints

import mlx.nn as nn

from mlx_finbert.errors import InputError, quoted
from mlx_finbert.labels import are_generic, canonical, check_names, generic_labels
from mlx_finbert.models.config_fields import checked, names_by_id, number_of_labels

# The tanh approximation (Hendrycks and Gimpel 2016) has two names in use.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_new": partial(nn.GELU, approx="precise"),
    "gelu_pytorch_tanh": partial(nn.GELU, approx="precise"),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}

ALIASES = {
    "gelu_python": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python_tanh": "gelu_new",
    "swish": "silu",
}
"""Other names of the same functions (`ACT2FN` in `transformers/activations.py`)."""

ACTIVATION_KEYS = {"hidden_act", "activation"}
"""The names of the field with the activation, in all families."""

SHORTEST = 3
"""The fewest tokens that a model must read: one, and the special tokens at its sides."""


@dataclass(kw_only=True)
class ClassifierArgs:
    """The part of a Hugging Face config that every sequence classifier has."""

    model_type: ClassVar[str]
    dropout_keys: ClassVar[tuple[str, str, str]]
    """Fields with the dropout rates of layers, attention and head, which each family names."""
    sizes: ClassVar[dict[str, tuple[str, int]]]
    """For each field with a size, a tensor of the encoder that has it, and on which axis."""
    layers: ClassVar[tuple[str, str]]
    """The field with the number of layers, and the start of the names of their tensors."""

    id2label: dict[int, str] = field(default_factory=lambda: generic_labels(2))
    initializer_range: float = 0.02
    """Standard deviation of a fresh head's weights."""
    problem_type: str | None = None
    """`regression` for a model with one output, if its config says so."""
    max_position_embeddings: int = 512

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Read the keys of `config.json` that this family has.

        Raises:
            InputError: for an unsupported or invalid value; names the key and the value.
        """
        id2label = id2label_of(config)
        refuse_unsupported(config, len(id2label))
        hints = get_type_hints(cls)
        known = {f.name for f in fields(cls)} - {"id2label"}
        values = {
            key: checked(key, value, get_args(hints[key]) or (hints[key],))
            for key, value in config.items()
            if key in known and value is not None
        }
        if "problem_type" in values:
            # Earlier versions wrote single_label_classification even for one label, which
            # transformers refuses.
            values["problem_type"] = "regression" if len(id2label) == 1 else None
        for key in ACTIVATION_KEYS & values.keys():
            values[key] = ALIASES.get(values[key], values[key])
        return cls(**values, id2label=id2label)

    @property
    def num_labels(self) -> int:
        return len(self.id2label)

    @property
    def labels(self) -> list[str]:
        """Label names in the order of the logits."""
        return [self.id2label[i] for i in range(self.num_labels)]

    @property
    def max_length(self) -> int:
        """The maximum number of tokens, special tokens included, that the positions allow."""
        return self.max_position_embeddings

    def to_config(self) -> dict[str, Any]:
        """The config in the form that `transformers` reads."""
        config = {f.name: getattr(self, f.name) for f in fields(self)}
        config["model_type"] = self.model_type
        config["num_labels"] = self.num_labels
        config["id2label"] = {str(i): label for i, label in self.id2label.items()}
        config["label2id"] = {label: i for i, label in self.id2label.items()}
        if self.num_labels > 1:
            config["problem_type"] = "single_label_classification"
        elif self.problem_type is None:
            del config["problem_type"]
        return config

    def check_shape(self, hidden_size: int, num_heads: int, hidden_act: str) -> None:
        """Check three settings, for which each family has its own names, and the positions."""
        if hidden_size % num_heads:
            raise InputError(
                f"config.json: the hidden size, {hidden_size}, is not divisible by"
                f" {num_heads} attention heads"
            )
        if hidden_act not in ACTIVATIONS:
            raise InputError(
                f"config.json: the activation {quoted(hidden_act)} is not supported;"
                f" use one of {', '.join(ACTIVATIONS)}"
            )
        if self.max_length < SHORTEST:
            raise InputError(
                f"config.json: max_position_embeddings = {self.max_position_embeddings} leaves"
                f" texts {max(0, self.max_length)} tokens: at least {SHORTEST} are needed, of which"
                " two are special"
            )


def refuse_unsupported(config: dict[str, Any], num_labels: int) -> None:
    """Refuse settings with which the model would compute a different function."""
    if num_labels == 1 and config.get("problem_type") == "regression":
        config = config | {"problem_type": None}
    supported = {
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "is_encoder_decoder": False,
        "add_cross_attention": False,
        "problem_type": "single_label_classification",
    }
    for key, value in supported.items():
        found = config.get(key)
        if found is not None and found != value:
            raise InputError(
                f"config.json: {key} = {quoted(found)} is not supported, only {value!r} is;"
                " choose another checkpoint"
            )


def id2label_of(config: dict[str, Any], default: int = 2) -> dict[int, str]:
    """Read `id2label` with integer keys; without it, the names are `LABEL_0`, ...

    Args:
        config: config of a checkpoint.
        default: the number of labels if the config does not give it.

    Raises:
        InputError: if they do not map 0, 1, 2, ... to names, or `label2id` gives a name another
            id.
    """
    named = config.get("id2label")
    if not named:
        found = config.get("num_labels") or default
        return generic_labels(number_of_labels(found, "config.json: "))
    id2label = names_by_id(named)
    check_inverse(config.get("label2id"), id2label)
    return id2label


def check_inverse(label2id: Any, id2label: dict[int, str]) -> None:
    """Refuse a `label2id` that gives a name another id; names not in `id2label` do not matter."""
    ids = {label: i for i, label in id2label.items()}
    for label, i in label2id.items() if isinstance(label2id, dict) else ():
        if label in ids and str(i) != str(ids[label]):
            raise InputError(
                f"config.json: id2label and label2id disagree on the id of {quoted(label)};"
                " correct the one that is wrong"
            )


@dataclass
class HeadOptions:
    """The classification head that a caller asks for."""

    num_labels: int | None = None
    labels: Sequence[str] | None = None
    labels_if_fresh: Sequence[str] | None = None
    """Names of the outputs of a new head; ignored if the checkpoint has one."""
    is_new: bool = False
    """Whether to replace the checkpoint's head by a new one."""

    def __post_init__(self) -> None:
        self.labels = self.labels and [str(label) for label in self.labels]

    def fresh(self, own: dict[int, str]) -> dict[int, str]:
        """`id2label` of a fresh head: as requested, otherwise from the config."""
        labels = self.labels or self.labels_if_fresh
        num_labels = self._wished(labels)
        if labels is not None:
            return dict(enumerate(labels))
        return own if num_labels in (None, len(own)) else generic_labels(num_labels)

    def kept(self, own: dict[int, str], where: object) -> dict[int, str]:
        """`id2label` of the checkpoint's head; a request may only name labels without a name.

        Raises:
            InputError: if the request contradicts the head.
        """
        num_labels = self._wished(self.labels)
        names = list(own.values())
        if num_labels not in (None, len(own)):
            raise InputError(
                f"{where} has a head with {len(own)} labels ({', '.join(names)}), not"
                f" {num_labels}; for a fresh head use `new_head=True`"
            )
        labels = self.labels
        if labels is None:
            return own
        if not are_generic(names) and list(map(canonical, labels)) != list(map(canonical, names)):
            raise InputError(
                f"the head of {where} has the labels {', '.join(names)}, in this order,"
                f" not {', '.join(labels)}; leave the names out or use `new_head=True`"
            )
        return dict(enumerate(labels))

    def _wished(self, labels: Sequence[str] | None) -> int | None:
        """The number of labels that the caller asks for, if any."""
        if labels is None:
            return self.num_labels if self.num_labels is None else number_of_labels(self.num_labels)
        check_names(labels)
        if self.num_labels not in (None, len(labels)):
            raise InputError(f"num_labels is {self.num_labels}, but {len(labels)} labels are named")
        return len(labels)
