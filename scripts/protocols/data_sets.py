"""Where the data sets of the protocols are."""

from pathlib import Path

from mlx_finbert.data.sources.phrasebank import download

ARCHIVE = "FinancialPhraseBank-v1.0.zip"
PLACES = (Path.cwd(), Path(__file__).resolve().parents[3] / "shared" / "data")
"""Folders to search before something is downloaded."""


def find_archive(data: str) -> Path:
    """The given archive, or one that is found locally or downloaded."""
    if data != ARCHIVE:
        return Path(data).expanduser()
    found = (place / ARCHIVE for place in PLACES)
    return next((path for path in found if path.exists()), None) or download()
