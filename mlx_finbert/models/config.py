"""What the three model families read from `config.json` in the same way."""

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
    """`regression` where the config of a model with one output says so."""
    max_position_embeddings: int = 512

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Keep the keys of `config.json` that this family has; refuse what it cannot compute.

        Raises:
            InputError: names the key of the config and its value.
        """
        id2label = id2label_of(config)
        refuse_unsupported(config, len(id2label))
        hints = get_type_hints(cls)
        known = {f.name for f in fields(cls)} - {"id2label"}
        values = {k: v for k, v in config.items() if k in known and v is not None}
        for key, value in values.items():
            values[key] = checked(key, value, get_args(hints[key]) or (hints[key],))
        if "problem_type" in values:
            # Earlier versions wrote a classification of one label, which transformers refuses.
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
        """The longest row of tokens, special tokens included, that the positions allow."""
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
        """Called by each family with its own names for the same three settings."""
        if num_heads < 1 or hidden_size % num_heads:
            raise InputError(
                f"config.json: {num_heads} attention heads do not divide"
                f" a hidden size of {hidden_size}"
            )
        if hidden_act not in ACTIVATIONS:
            raise InputError(
                f"config.json: the activation {hidden_act!r} is not supported;"
                f" these are: {', '.join(ACTIVATIONS)}"
            )


def refuse_unsupported(config: dict[str, Any], num_labels: int) -> None:
    """Refuse, by key and value, what would compute another function than ours."""
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
    """A value of `config.json` of the kind that its field has; dropout rates lie in [0, 1).

    An activation comes back under the name that `ACTIVATIONS` has it by.
    """
    if float in kinds and type(value) is int:
        value = float(value)
    is_right = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_right:
        raise InputError(f"config.json: {key} = {value!r} is not of the kind {kinds[0].__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config.json: {key} = {value!r} is not a finite number")
    if "dropout" in key and not 0 <= value < 1:
        raise InputError(f"config.json: {key} = {value!r} is no rate from 0 to below 1")
    if isinstance(value, int) and value < 0:
        raise InputError(f"config.json: {key} = {value!r} is below 0")
    return ALIASES.get(value, value) if key in ("hidden_act", "activation") else value
