"""IMDB movie reviews (Maas et al. 2011): 25,000 for training and 25,000 for testing."""

from pathlib import Path

from mlx_finbert.data.label_names import Naming
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.hub import load_hub
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

HUB_REPOSITORY = "stanfordnlp/imdb"
LABELS = ["negative", "positive"]
FOLDERS = {"neg": "negative", "pos": "positive"}
LICENCE = "none stated by its authors; cite Maas et al. 2011"


def is_acl_imdb(path: Path) -> bool:
    """Whether a folder is the unpacked `aclImdb`."""
    return (path / "train" / "pos").is_dir() and (path / "test" / "neg").is_dir()


def load_acl_imdb(path: Path) -> LabelledTexts:
    """Load the folder `aclImdb`, with one review per file in `{train,test}/{pos,neg}`.

    The reviews of each folder are in order of file name.
    """
    rows = RawRows()
    for split in ("train", "test"):
        for folder, label in FOLDERS.items():
            for file in sorted((path / split / folder).glob("*.txt")):
                rows.texts.append(_text(file))
                rows.labels.append(label)
                rows.splits.append(split)
    return rows.labelled(str(path), Naming(LABELS), licence=LICENCE)


def load_imdb_from_hub(revision: str | None = None, parameter: str = "data") -> LabelledTexts:
    """Load IMDB as published by Stanford's NLP group."""
    columns = Columns(label_names=LABELS, revision=revision)
    return load_hub(HUB_REPOSITORY, None, columns, LICENCE, parameter)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 ({error.reason}): unpack aclImdb again") from None
