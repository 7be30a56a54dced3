"""Keeps paths of this machine out of what is published."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.hub import PACKAGED
from mlx_finbert.data.sources import is_here, looks_like_a_path, split_variant
from mlx_finbert.files.paths import is_plainly_local, local_path

PATH = re.compile(
    r"""(?:file://|(?<![\w/.<]))~?/[^\s'",;:()/]+/[^\s'",;:()]+  # /home/me/news.csv
    |\b[A-Za-z]:\\[^\s'",;]+  # C:\news.csv
    """,
    re.VERBOSE,
)
"""An absolute path inside a text, of at least two parts."""
PLACES = re.compile(
    r"""(?:file://|(?<![\w/.]))
    (~/\w|/(home|Users|root|private|Volumes|mnt|media|tmp)/\w)
    [^\s'",;:)`]*""",
    re.VERBOSE,
)
"""A path that only one machine has, in a text that somebody wrote."""

NAMES = {"id2label", "label2id", "labels", "model_labels", "label_map", "class_weights", "content"}
"""Keys whose values are names of labels or tokens, which may look like paths and must stay."""


def is_local_model(name: str) -> bool:
    """Whether a model's name is a folder of this machine."""
    return name != PACKAGED and (is_plainly_local(name) or local_path(name).exists())


def public_model(name: str) -> str:
    """The name of a model without its place on this machine."""
    return local_path(name).resolve().name if is_local_model(name) else name


def public_data(spec: str) -> str:
    """The name of data without its place on this machine: `news.csv` for `/home/me/news.csv`."""
    path, variant = split_variant(spec)
    if not is_here(spec) and not looks_like_a_path(path):
        return spec
    name = local_path(path).resolve().name
    return f"{name}:{variant}" if variant else name


def scrubbed(text: str, known: Mapping[str, str]) -> str:
    """Replace paths in a text by their last parts.

    Args:
        text: a value of a config, or a sentence.
        known: names to use instead of texts that are known to be paths.
    """
    if text in known:
        return known[text]
    for path in sorted(known, key=len, reverse=True):
        # A path of one part, such as `..`, may occur in any text.
        if len(Path(path).parts) > 1:
            text = text.replace(path, known[path])
    if text.startswith(("/", "~/")) and text.count("/") > 1:
        # It may contain spaces.
        return text.rstrip("/").rpartition("/")[2]
    return PATH.sub(lambda found: re.split(r"[\\/]", found[0].rstrip("\\/"))[-1], text)


def scrub(value: Any, known: Mapping[str, str]) -> Any:
    """Replace the paths in all texts of a JSON or YAML value, except names of labels."""
    if isinstance(value, dict):
        return {k: v if k in NAMES else scrub(v, known) for k, v in value.items()}
    if isinstance(value, list):
        return [scrub(item, known) for item in value]
    return scrubbed(value, known) if isinstance(value, str) else value


def local_path_in(text: str) -> str | None:
    """The first path in a text that only this machine has."""
    home = str(Path.home())
    found = PLACES.search(text)
    if found:
        return found[0]
    return home if len(home) > 1 and home in text else None
