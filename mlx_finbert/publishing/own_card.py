"""A model card that somebody wrote, completed by what is known of the model."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.yaml_text import parse_yaml
from mlx_finbert.publishing.card import text_of_card
from mlx_finbert.publishing.private import local_path_in

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

HEADER = re.compile(r"\s*---[\r\n]+([\S\s]*?)[\r\n]+---(?:[\r\n]|$)")


def read_card(path: Path) -> str:
    """Read a card.

    Raises:
        InputError: if it is not in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not in UTF-8: save it so, or remove it") from None


def completed(
    path: Path, text: str, found: "ModelCardData", given: Collection[str]
) -> "tuple[ModelCardData, str]":
    """Add the fields that a card lacks, and replace those that the settings give.

    Args:
        path: the card's file.
        text: its content.
        found: the fields that are known of the model.
        given: names of the fields that the settings give.

    Returns:
        The fields, and the card.

    Raises:
        InputError: if its header is damaged, or it names a path that only this machine has.
    """
    import yaml
    from huggingface_hub import ModelCard

    if local := local_path_in(text):
        raise InputError(
            f"{path} names {local}, a path of this machine: take it out, or remove the file to"
            " have a card made"
        )
    try:
        # The hub's class reads the header without bounds.
        if header := HEADER.match(text):
            parse_yaml(header[1])
        card = ModelCard(text)
    except (ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} has a header that cannot be read ({first_line(error)}): correct it, or remove"
            " the file to have a card made"
        ) from None
    data = cast("ModelCardData", card.data)
    for name, value in vars(found).items():
        if name == "tags" and name in given:
            data.tags = [*dict.fromkeys([*(data.tags or []), *(value or [])])]
        elif value is not None and (name in given or data.get(name) is None):
            data[name] = value
    if not data.eval_results:
        data.model_name = None
    return data, text_of_card(data, card.text.lstrip("\n"))
