"""Texts and labels at hand, read as a model's training run has read them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.training_run import recorded_data, with_own_data
from mlx_finbert.data.sources.at_hand import IN_MEMORY, load_at_hand, name_at_hand
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

Settings = TypeVar("Settings")


def load_for_model(
    data: Any, given: Mapping[str, Any], settings_class: type[Settings], key: str
) -> tuple[Settings, LabelledTexts]:
    """Read texts and labels at hand, as the model's run did if it was trained on them.

    Args:
        data: the data; see `load_at_hand`.
        given: values by field, the model among them; they take precedence over the run's.
        settings_class: the class of the settings, with the fields of `ColumnSettings`.
        key: the field that names the data.

    Returns:
        The settings, with a name for the data, and the texts.
    """
    own = recorded_data(resolve(given["model"], given.get("revision")))
    if own and own["data"].startswith(IN_MEMORY):
        as_own = with_own_data({**given, key: own["data"]}, settings_class, key)
        try:
            found = _load(data, settings_class(**as_own), key)
        except InputError:
            # Other data, which the run's columns and labels do not fit.
            pass
        else:
            if getattr(found[0], key) == own["data"]:
                return found
    return _load(data, settings_class(**{**given, key: IN_MEMORY}), key)


def _load(data: Any, settings: Any, key: str) -> tuple[Any, LabelledTexts]:
    texts = load_at_hand(data, settings.columns(), key)
    return replace(settings, **{key: name_at_hand(texts)}), texts
