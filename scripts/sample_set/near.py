"""Near duplicates of the sample's sentences, among themselves and in other data sets."""

from collections.abc import Sequence

import numpy as np
from protocols.data_sets import ARCHIVE, FIQA, local

from mlx_finbert.data.near_duplicates import near_duplicates
from mlx_finbert.data.sources.fiqa import load_fiqa
from mlx_finbert.data.sources.phrasebank import load_phrasebank


def other_data_sets() -> dict[str, list[str]]:
    """The texts of Financial PhraseBank and FiQA, of those that are on this machine."""
    found = {}
    if archive := local(ARCHIVE):
        found["Financial PhraseBank"] = load_phrasebank(archive, "50agree").texts
    if folder := local(FIQA):
        found["FiQA"] = load_fiqa(folder).texts
    return found


def repeated(texts: Sequence[str]) -> list[int]:
    """The positions of texts that are near duplicates of an earlier one."""
    _, first = np.unique(near_duplicates(texts), return_index=True)
    return sorted({*range(len(texts))} - {*first.tolist()})


def shared(texts: Sequence[str], others: Sequence[str]) -> list[int]:
    """The positions of texts that are near duplicates of one of the others."""
    groups = near_duplicates([*texts, *others])
    return np.flatnonzero(np.isin(groups[: len(texts)], groups[len(texts) :])).tolist()
