"""Where the data sets of the protocols are."""

from pathlib import Path

import numpy as np

from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.fiqa import FILES
from mlx_finbert.data.sources.imdb import LABELS
from mlx_finbert.data.sources.phrasebank import download
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

ARCHIVE = "FinancialPhraseBank-v1.0.zip"
FIQA = "fiqa"
"""The folder of the organisers' files."""
IMDB = "imdb"
IMDB_FILES = ("imdb-train.parquet", "imdb-test.parquet")
"""Training and test reviews, with the columns `text` and `label`, 0 for negative."""
PLACES = (Path.cwd(), Path(__file__).resolve().parents[3] / "shared" / "data")
"""Folders to search before something is downloaded."""


def find_archive(data: str) -> Path:
    """The given archive, or one that is found locally or downloaded."""
    if data != ARCHIVE:
        return Path(data).expanduser()
    return local(ARCHIVE) or download()


def local(name: str) -> Path | None:
    """A file or folder in one of `PLACES`; None if it is in none of them."""
    return next((path for place in PLACES if (path := place / name).exists()), None)


def find_fiqa(folder: str) -> Path:
    """The given folder of FiQA, or one that is found locally."""
    found = local(FIQA) if folder == FIQA else Path(folder).expanduser()
    if not found:
        raise InputError(
            f"FiQA is not here: give the folder of {' and '.join(FILES)} with --{FIQA}"
        )
    return found


def find_imdb(folder: str) -> tuple[str, LabelledTexts, LabelledTexts]:
    """IMDB's training reviews by name, and its labelled training and test reviews.

    Args:
        folder: That of `IMDB_FILES`, or an unpacked `aclImdb`; `imdb` finds these files locally, or
            loads the data set from the hub.
    """
    place = local(IMDB_FILES[0]) if folder == IMDB else Path(folder).expanduser() / IMDB_FILES[0]
    if place and place.exists():
        columns = Columns(label_names=LABELS)
        train, test = (load_texts(str(place.with_name(name)), columns) for name in IMDB_FILES)
        return str(place), train, test
    texts = load_texts(folder)
    splits = np.array(texts.splits or [])
    parts = (texts.take(np.flatnonzero(splits == part), part) for part in ("train", "test"))
    return folder, *parts
