"""`id2label`: the label names of a config, and those that a caller asks for."""

from collections.abc import Sequence
from typing import Any

from mlx_finbert.errors import InputError
from mlx_finbert.labels import are_generic, canonical, check_names, generic_labels


def id2label_of(config: dict[str, Any], default: int = 2) -> dict[int, str]:
    """Read `id2label` with integer keys; without it, the names are `LABEL_0`, ...

    Args:
        config: config of a checkpoint.
        default: the number of labels if the config does not give it.

    Raises:
        InputError: if the ids are not 0..n-1, a name occurs twice, or `label2id` gives a name
            another id.
    """
    named = config.get("id2label")
    if not named:
        return generic_labels(_positive(config.get("num_labels") or default))
    try:
        id2label = {int(i): str(label) for i, label in named.items()}
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"config.json: id2label = {named!r} does not map ids to names") from None
    if sorted(id2label) != list(range(len(id2label))):
        raise InputError(f"config.json: the ids of id2label are {list(named)}, not 0, 1, 2, ...")
    if len(set(id2label.values())) < len(id2label):
        raise InputError(f"config.json: id2label names a label twice: {list(id2label.values())}")
    check_inverse(config.get("label2id"), id2label)
    return dict(sorted(id2label.items()))


def check_inverse(label2id: Any, id2label: dict[int, str]) -> None:
    """Refuse a `label2id` that gives a name another id; names not in `id2label` do not matter."""
    ids = {label: i for i, label in id2label.items()}
    for label, i in label2id.items() if isinstance(label2id, dict) else ():
        if label in ids and str(i) != str(ids[label]):
            raise InputError(
                f"config.json: id2label and label2id disagree on the id of {label!r};"
                " correct the one that is wrong"
            )


def fresh_id2label(
    own: dict[int, str], num_labels: int | None, labels: Sequence[str] | None
) -> dict[int, str]:
    """`id2label` of a fresh head: as requested, otherwise from the config."""
    num_labels = _wished(num_labels, labels)
    if labels is not None:
        return dict(enumerate(labels))
    return own if num_labels in (None, len(own)) else generic_labels(num_labels)


def kept_id2label(
    own: dict[int, str], num_labels: int | None, labels: Sequence[str] | None, where: object
) -> dict[int, str]:
    """`id2label` of the checkpoint's head; a request may only name labels without a name.

    Raises:
        InputError: if the request contradicts the head.
    """
    num_labels = _wished(num_labels, labels)
    names = list(own.values())
    if num_labels not in (None, len(own)):
        raise InputError(
            f"{where} has a head with {len(own)} labels ({', '.join(names)}), not"
            f" {num_labels}; for a fresh head use new_head=True (--new-head)"
        )
    if labels is None:
        return own
    if not are_generic(names) and list(map(canonical, labels)) != list(map(canonical, names)):
        raise InputError(
            f"the head of {where} has the labels {', '.join(names)}, in this order,"
            f" not {', '.join(labels)}; leave the names out or use new_head=True (--new-head)"
        )
    return dict(enumerate(labels))


def _wished(num_labels: int | None, labels: Sequence[str] | None) -> int | None:
    """The number of labels that the caller asks for, if any."""
    if labels is None:
        return num_labels if num_labels is None else _positive(num_labels)
    check_names(labels)
    if num_labels not in (None, len(labels)):
        raise InputError(f"num_labels is {num_labels}, but {len(labels)} labels are named")
    return len(labels)


def _positive(num_labels: Any) -> int:
    if not isinstance(num_labels, int) or num_labels < 1:
        raise InputError(f"num_labels is {num_labels!r}: it must be a whole number from 1")
    return num_labels
