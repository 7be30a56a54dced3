"""The values of `config.json`: each has a type and a range, and one sentence says what is wrong."""

import math
from collections.abc import Iterable
from typing import Any

from mlx_finbert.errors import InputError, is_encodable, quoted

MOST_LABELS = 2**16
"""The most outputs of a head."""
LARGEST = 2**31 - 1
"""The largest size: MLX's shapes have 32 bits."""

SIZES = {
    "vocab_size", "type_vocab_size", "max_position_embeddings",
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "dim", "n_layers", "n_heads", "hidden_dim",
}  # fmt: skip
"""Fields with a size of the model, in all families."""

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def checked(key: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """Check a value against the types of its field and the range of its key.

    Args:
        key: the field.
        value: as read from JSON.
        kinds: the types of the field, the main one first; a whole number is also a float.

    Raises:
        InputError: names the key and the value.
    """
    if float in kinds and type(value) is int:
        value = _as_float(key, value)
    if type(value) not in kinds:
        raise InputError(f"config.json: {key} = {quoted(value)} is not {KINDS[kinds[0]]}")
    if isinstance(value, (int, float)):
        least, most, rule = _range_of(key)
        if not least <= value <= most:
            raise InputError(f"config.json: {key} = {quoted(value)} is not {rule}")
    return value


def _as_float(key: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"config.json: {key} = {quoted(value)} is not a finite number") from None


def _range_of(key: str) -> tuple[float, float, str]:
    """The least and the largest value of a number, and the rule in words."""
    if "dropout" in key:
        return 0, math.nextafter(1, 0), "a rate from 0 to below 1"
    if key == "layer_norm_eps":
        # A float32 that is not 0.
        return 1e-37, 1, "above 0 and at most 1"
    if key in SIZES:
        return 1, LARGEST, f"a size from 1 to {LARGEST:,}"
    if key == "pad_token_id":
        return 0, LARGEST, "the number of a token, from 0"
    return 0, 100, "a number from 0 to 100"


def texts_of(config: dict[str, Any], key: str) -> list[str]:
    """Read a list of texts; it is empty if the key is missing or null."""
    found = config.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(part, str) for part in found):
        raise InputError(f"config.json: {key} = {quoted(found)} is not a list of texts")
    return found


def names_by_id(found: Any) -> dict[int, str]:
    """Read `id2label`: its ids are 0, 1, 2, ..., and its names are different.

    Raises:
        InputError: says which of this is not so.
    """
    try:
        names = {int(i): str(label) for i, label in found.items() if _is_name(label)}
    except (AttributeError, TypeError, ValueError):
        names = {}
    if not names or len(names) < len(found):
        raise InputError(f"config.json: id2label = {quoted(found)} does not map ids to names")
    if sorted(names) != list(range(len(names))):
        raise InputError(f"config.json: the ids of id2label are {first(found)}, not 0, 1, 2, ...")
    if len(set(names.values())) < len(names):
        raise InputError(f"config.json: id2label names a label twice: {first(names.values())}")
    if broken := [name for name in names.values() if not is_encodable(name)]:
        raise InputError(
            f"config.json: id2label has the name {quoted(broken[0])}, which contains half of a"
            " surrogate pair: write it again"
        )
    return dict(sorted(names.items()))


def _is_name(label: Any) -> bool:
    return isinstance(label, (str, int, float))


def first(values: Iterable[Any]) -> str:
    """List values, cut after 200 characters."""
    return quoted(list(values))


def number_of_labels(found: Any, where: str = "") -> int:
    """Check a number of labels from a config or a caller; `where` starts the message."""
    if type(found) is not int or not 1 <= found <= MOST_LABELS:
        raise InputError(
            f"{where}num_labels is {quoted(found)}: it must be a whole number from 1 to"
            f" {MOST_LABELS:,}"
        )
    return found
