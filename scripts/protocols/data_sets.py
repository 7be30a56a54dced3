"""Where the data sets of the protocols are."""

from pathlib import Path

from mlx_finbert.data.sources.fiqa import FILES
from mlx_finbert.data.sources.phrasebank import download
from mlx_finbert.errors import InputError

ARCHIVE = "FinancialPhraseBank-v1.0.zip"
FIQA = "fiqa"
"""The folder of the organisers' files."""
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
