"""The record of its training in a model's folder: the data, its split and the texts seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import RUN_CONFIG, RUN_FILES, SEEN_TEXTS, read_json
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.data.flags import (
    DataSettings,
    SplitSettings,
    TrainedDataSettings,
    with_earlier_split,
)
from mlx_finbert.data.sources import is_same_data
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import read_whole
from mlx_finbert.settings import read_config_file, read_yaml

PRETRAINING_SETTING = "mask_probability"
"""A setting that every pretraining records, and no other run."""


@dataclass(frozen=True)
class TrainingRun:
    """The training run of a model, as recorded in its folder."""

    model: str
    """The user's name for the model."""
    settings: TrainedDataSettings | None
    """None for a model that `train` did not write."""
    seen: SeenTexts | None
    """None if the texts were not recorded."""
    is_trained: bool = False
    """Whether it was trained to classify, by `train` or elsewhere."""

    @classmethod
    def of(cls, model: str, revision: str | None = None) -> "TrainingRun":
        """Read the run from the files in a model's folder.

        Raises:
            InputError: if there is no such model, or one of the files is damaged.
        """
        folder = resolve(model, revision)

        def read() -> "TrainingRun":
            values = recorded_data(folder)
            settings = None if values is None else TrainedDataSettings(**values)
            seen = SeenTexts.read(folder / SEEN_TEXTS)
            return cls(model, settings, seen, values is not None or is_classifier(folder))

        return read_whole(folder, read)

    @property
    def seen_as_base(self) -> SeenTexts | None:
        """The seen texts that a run starting from this model inherits; an encoder has seen none."""
        if self.seen is None and self.is_trained:
            return SeenTexts.not_recorded()
        return self.seen

    def was_on(self, data: str) -> bool:
        """Whether the model was trained on this data, compared by name or place."""
        return self.settings is not None and is_same_data(self.settings.data, data)

    def may_have_seen(self, texts: Sequence[str]) -> bool:
        """Whether any text was seen, or could have been because the texts were not recorded."""
        return self.seen is None or bool(self.seen.holds(texts).any())

    def split_settings(self, is_own: bool, wished: Mapping[str, Any]) -> SplitSettings:
        """Choose how to split data: as requested, otherwise as in the run.

        Args:
            is_own: whether it is the run's own data; only then do its folds or its column apply.
            wished: requested values by field; None for those not given.
        """
        wished = {name: value for name, value in wished.items() if value is not None}
        if self.settings is None:
            return SplitSettings(**wished)
        names = ["split_seed", "test_fraction", "validation_fraction", "split_near_duplicates"]
        names += ["split_by_column", "folds", "fold"] if is_own else []
        return SplitSettings(**{name: getattr(self.settings, name) for name in names} | wished)


def is_classifier(folder: Path) -> bool:
    """Whether a checkpoint's config names a sequence classifier, as transformers writes it."""
    path = folder / "config.json"
    names = read_json(path).get("architectures") if path.is_file() else None
    named = names if isinstance(names, list) else []
    return any(str(name).endswith("ForSequenceClassification") for name in named)


def recorded_data(folder: Path) -> dict[str, Any] | None:
    """Read a run's data and split from `config.yaml`; None if `train` wrote none."""
    path = folder / RUN_CONFIG
    if not path.is_file():
        return None
    if is_pretraining(folder):
        return None
    values = read_config_file(path, TrainedDataSettings, skip_others=True)
    return with_earlier_split(values) if "data" in values else None


def is_pretraining(folder: Path) -> bool:
    """Whether the `config.yaml` of a folder is that of a pretraining, which reads no labels."""
    return PRETRAINING_SETTING in read_yaml(folder / RUN_CONFIG)


def with_own_data(given: Mapping[str, Any], settings_class: type, key: str) -> dict[str, Any]:
    """Complete the given settings by those of the model's run if its own data is measured.

    Args:
        given: values by field; they take precedence over the run's.
        settings_class: the class whose fields are completed.
        key: the field that names the data; if empty or absent, it becomes the run's data.

    Raises:
        InputError: if neither the settings nor the model's folder name any data.
    """
    if not given.get("model"):
        return dict(given)
    own = recorded_data(resolve(given["model"], given.get("revision")))
    data = given.get(key) or (own or {}).get("data")
    if data is None:
        raise InputError(
            f"{given['model']} does not record what data it was trained on; give the data to"
            f" measure with `{key}`"
        )
    if own is None or not is_same_data(own["data"], data):
        return dict(given)
    how = {f.name for f in fields(DataSettings)} & {f.name for f in fields(settings_class)} - {key}
    return {**{name: own[name] for name in how if name in own}, **given, key: data}


def run_files(folder: Path) -> dict[str, bytes]:
    """Read the files of a model's run, by name, so that a converted model keeps them.

    Raises:
        InputError: if one of them is damaged.
    """
    SeenTexts.read(folder / SEEN_TEXTS)
    return {name: (folder / name).read_bytes() for name in RUN_FILES if (folder / name).is_file()}
