"""What the three model families read from `config.json` in the same way."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from mlx_finbert.errors import InputError
from mlx_finbert.models.activations import ACTIVATIONS


@dataclass(kw_only=True)
class ClassifierArgs:
    """The part of a Hugging Face config that every sequence classifier has."""

    model_type: ClassVar[str]

    id2label: dict[int, str] = field(default_factory=lambda: generic_labels(2))
    initializer_range: float = 0.02
    """Standard deviation of a fresh head's weights."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Keep the keys of `config.json` that this family has; refuse what it cannot compute.

        Raises:
            InputError: names the key of the config and its value.
        """
        refuse_unsupported(config)
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in config.items() if k in known and v is not None}
        return cls(**values | {"id2label": labels_of(config)})

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
        config["problem_type"] = "single_label_classification"
        return config

    def check_shape(self, hidden_size: int, num_heads: int, hidden_act: str) -> None:
        """Called by each family with its own names for the same three settings."""
        if hidden_size % num_heads:
            raise InputError(
                f"config.json: {num_heads} attention heads do not divide"
                f" a hidden size of {hidden_size}"
            )
        if hidden_act not in ACTIVATIONS:
            raise InputError(
                f"config.json: the activation {hidden_act!r} is not supported;"
                f" these are: {', '.join(ACTIVATIONS)}"
            )


def refuse_unsupported(config: dict[str, Any]) -> None:
    """Refuse, by key and value, what would compute another function than ours."""
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


def labels_of(config: dict[str, Any]) -> dict[int, str]:
    """`id2label` with integer keys; `LABEL_0`, ... where the config names none.

    Raises:
        InputError: where the ids are not 0..n-1, a name stands twice, or `label2id` gives one of
            the names another id.
    """
    named = config.get("id2label")
    if not named:
        return generic_labels(config.get("num_labels") or 2)
    try:
        id2label = {int(i): str(label) for i, label in named.items()}
    except (AttributeError, ValueError):
        raise InputError(f"config.json: id2label = {named!r} does not map ids to names") from None
    if sorted(id2label) != list(range(len(id2label))):
        raise InputError(f"config.json: the ids of id2label are {list(named)}, not 0, 1, 2, ...")
    if len(set(id2label.values())) < len(id2label):
        raise InputError(f"config.json: id2label names a label twice: {list(id2label.values())}")
    for label, i in (config.get("label2id") or {}).items():
        if label in id2label.values() and id2label.get(i) != label:
            raise InputError(
                f"config.json: id2label and label2id disagree on the id of {label!r};"
                " correct the one that is wrong"
            )
    return dict(sorted(id2label.items()))


def generic_labels(num_labels: int) -> dict[int, str]:
    """Hugging Face's names for labels that have none."""
    return {i: f"LABEL_{i}" for i in range(num_labels)}
