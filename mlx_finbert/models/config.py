"""The part of `config.json` that all model families share."""

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, get_args, get_type_hints

from mlx_finbert.errors import InputError
from mlx_finbert.labels import generic_labels
from mlx_finbert.models.activations import ACTIVATIONS, ALIASES
from mlx_finbert.models.id2label import id2label_of


@dataclass(kw_only=True)
class ClassifierArgs:
    """The part of a Hugging Face config that every sequence classifier has."""

    model_type: ClassVar[str]

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
        values = {k: v for k, v in config.items() if k in known and v is not None}
        for key, value in values.items():
            values[key] = checked(key, value, get_args(hints[key]) or (hints[key],))
        if "problem_type" in values:
            # Earlier versions wrote single_label_classification even for one label, which
            # transformers refuses.
            values["problem_type"] = "regression" if len(id2label) == 1 else None
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
        """Check three settings, for which each family has its own names."""
        if num_heads < 1 or hidden_size % num_heads:
            raise InputError(
                f"config.json: the hidden size, {hidden_size}, is not divisible by"
                f" {num_heads} attention heads"
            )
        if hidden_act not in ACTIVATIONS:
            raise InputError(
                f"config.json: the activation {hidden_act!r} is not supported;"
                f" use one of {', '.join(ACTIVATIONS)}"
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
                f"config.json: {key} = {found!r} is not supported, only {value!r} is;"
                " choose another checkpoint"
            )


def checked(key: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """Check a value of `config.json` against the types of its field; dropout rates lie in [0, 1).

    The name of an activation is replaced by the one in `ACTIVATIONS`.
    """
    if float in kinds and type(value) is int:
        value = float(value)
    is_right = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_right:
        raise InputError(f"config.json: {key} = {value!r} is not of type {kinds[0].__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config.json: {key} = {value!r} is not a finite number")
    if "dropout" in key and not 0 <= value < 1:
        raise InputError(f"config.json: {key} = {value!r} is not a rate from 0 to below 1")
    if isinstance(value, int) and value < 0:
        raise InputError(f"config.json: {key} = {value!r} is below 0")
    return ALIASES.get(value, value) if key in ("hidden_act", "activation") else value
