"""Which files of a model's folder are published, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    MODEL_FILES,
    RUN_CONFIG,
    SEEN_TEXTS,
    index_of,
    read_json,
    weight_files,
)
from mlx_finbert.checkpoints.folder_layouts import WEIGHT_NAMES
from mlx_finbert.checkpoints.save import json_bytes
from mlx_finbert.checkpoints.tokenizer import TOKENIZER_FILES
from mlx_finbert.checkpoints.training_run import recorded_data
from mlx_finbert.files.yaml_text import read_yaml
from mlx_finbert.publishing.private import scrub
from mlx_finbert.settings import yaml_text

OF_MODELS = [
    *sorted(MODEL_FILES),
    "model.safetensors.index.json", "model-*-of-*.safetensors",
    "pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin",
]  # fmt: skip
"""Patterns of a model's files: those of an earlier model would be read with the new one."""

FIGURES = ("metrics.json", "history.csv", "reliability.csv", "curves.png", "confusion.png")
"""Files of a run that hold figures, without a text of the data."""

LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*")

WITH_PATHS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "metrics.json")
"""JSON files into which tools write paths of the machine that they run on."""

STAYS = {
    "checkpoints": "states of the training, to resume it",
    "log.jsonl": "log of the run",
    "history.json": "to resume the run",
    "best.json": "to resume the run",
    "checksums.json": "to resume the run",
    "card.json": "the card is made of it",
    "report.html": "shows texts of the data",
    "teacher_logits": "to resume the run",
    "tokens": "the texts that were read, as tokens",
    "mistakes.csv": "texts of the data",
    SEEN_TEXTS: "as asked for",
}
"""Why a file of a run is not published."""

Content = Path | bytes
"""A file that goes as it is, or what goes instead of it."""


@dataclass(frozen=True)
class Staying:
    """A file or a folder that is not published."""

    name: str
    size: int
    why: str


def contents_of(
    folder: Path, known: Mapping[str, str], adapter_config: dict[str, Any] | None, seen_texts: bool
) -> dict[str, Content]:
    """The files that are published, without the card.

    Only named files go: a folder may hold anything, such as data.

    Args:
        folder: the model's.
        known: paths on this machine, and what to call them.
        adapter_config: what to publish as the adapters' config; None for a whole model.
        seen_texts: whether to publish the hashes of the texts seen.
    """
    names = [*weights_of(folder), *TOKENIZER_FILES, *FIGURES]
    names += [ADAPTER_WEIGHTS] if adapter_config else ["config.json"]
    names += [SEEN_TEXTS] if seen_texts else []
    names += [path.name for path in folder.iterdir() if matches(path.name, LICENCES)]
    files: dict[str, Content] = {
        name: folder / name for name in sorted(set(names)) if (folder / name).is_file()
    }
    for name in files.keys() & set(WITH_PATHS):
        files[name] = scrubbed_json(folder / name, known)
    if adapter_config:
        files[ADAPTER_CONFIG] = json_bytes(scrub(adapter_config, known))
    if (folder / RUN_CONFIG).is_file():
        files[RUN_CONFIG] = scrubbed_run_config(folder, known)
    return files


def weights_of(folder: Path) -> list[str]:
    """The names of the files of a whole model's weights, as `load` chooses them."""
    if (folder / ADAPTER_CONFIG).is_file():
        return []
    kind, names = weight_files(folder)
    whole = WEIGHT_NAMES[kind]
    return names if names in ([], [whole]) else [index_of(whole), *names]


def scrubbed_json(path: Path, known: Mapping[str, str]) -> Content:
    """A JSON file without paths: itself if it has none."""
    found = read_json(path)
    clean = scrub(found, known)
    return path if clean == found else json_bytes(clean)


def scrubbed_run_config(folder: Path, known: Mapping[str, str]) -> Content:
    """The settings of a run without paths: the file itself if it has none."""
    path = folder / RUN_CONFIG
    # Refuses a file that `evaluate` could not read.
    recorded_data(folder)
    found = read_yaml(path)
    clean = scrub(found, known)
    return path if clean == found else yaml_text(clean).encode("utf-8")


def staying(folder: Path, files: Mapping[str, Content]) -> list[Staying]:
    """What of a folder is not published; hidden files are not mentioned."""
    return [
        Staying(path.name, size_of(path), reason(path))
        for path in sorted(folder.iterdir())
        if path.name not in files and not path.name.startswith(".")
    ]


def reason(path: Path) -> str:
    """Why a file is not published."""
    if matches(path.name, OF_MODELS) and path.name != SEEN_TEXTS:
        return "not read: the model's weights are in other files"
    # The name of the teacher's logits ends with a hash.
    return STAYS.get(path.name.partition("-")[0], "not a file of the model")


def size_of(content: Content) -> int:
    """The size of a file, or of all files in a folder, in bytes."""
    if isinstance(content, bytes):
        return len(content)
    if content.is_dir():
        return sum(path.stat().st_size for path in content.rglob("*") if path.is_file())
    return content.stat().st_size if content.exists() else 0


def matches(name: str, patterns: tuple[str, ...] | list[str]) -> bool:
    """Whether a name matches a pattern."""
    return any(fnmatch(name, pattern) for pattern in patterns)
