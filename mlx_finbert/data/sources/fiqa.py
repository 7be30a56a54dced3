"""FiQA 2018, task 1: financial headlines and posts with a sentiment score from -1 to 1.

The organisers define no classes. Here a sentence is neutral if |score| <= 0.1, and otherwise has
the sign of its score. A sentence with several targets gets the mean of their scores, so that each
sentence occurs once. The official test files have no scores and are not read.
"""

import math
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from mlx_finbert.data.label_names import SENTIMENT_ORDER, Naming
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.hub import open_dataset
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.json_text import read_json

HUB_REPOSITORY = "TheFinAI/fiqa-sentiment-classification"
FILES = ("task1_headline_ABSA_train.json", "task1_post_ABSA_train.json")
NEUTRAL_BELOW = 0.1
LICENCE = "research use, by the terms of the shared task"


def is_fiqa(path: Path) -> bool:
    """Whether a folder contains the organisers' JSON files."""
    return any((path / name).is_file() for name in FILES)


def load_fiqa(path: Path) -> LabelledTexts:
    """Load the organisers' training files from a folder."""
    return from_scores(chain.from_iterable(scores_in(path / name) for name in FILES), str(path))


def load_fiqa_from_hub(revision: str | None = None, parameter: str = "data") -> LabelledTexts:
    """Load the scored sentences from all splits; some sentences occur in several."""
    found = open_dataset(HUB_REPOSITORY, None, revision, parameter)
    rows = (row for part in found.values() for row in part)
    pairs = ((row["sentence"], score_of(row["score"], HUB_REPOSITORY)) for row in rows)
    return from_scores(pairs, HUB_REPOSITORY)


def from_scores(scores: Iterable[tuple[str, float]], name: str) -> LabelledTexts:
    """Convert pairs of sentence and score to three classes, with one row per sentence."""
    by_sentence: dict[str, list[float]] = {}
    for sentence, score in scores:
        by_sentence.setdefault(sentence, []).append(score)
    labels = [sentiment(sum(s) / len(s)) for s in by_sentence.values()]
    rows = RawRows(list(by_sentence), labels)
    return rows.labelled(name, Naming(SENTIMENT_ORDER), licence=LICENCE)


def sentiment(score: float) -> str:
    """Return the class of a mean score."""
    if abs(score) <= NEUTRAL_BELOW:
        return "neutral"
    return "positive" if score > 0 else "negative"


def score_of(value: Any, where: object) -> float:
    """Read a sentiment score, which the organisers write as text.

    Raises:
        InputError: if it is not a number from -1 to 1; names the source.
    """
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not -1 <= score <= 1:
        raise InputError(
            f"{where} has the sentiment score {str(value)[:200]!r}, which is not a number from -1"
            " to 1: download it again"
        )
    return score


def scores_in(file: Path) -> Iterable[tuple[str, float]]:
    """Yield the pairs of sentence and score of one of the organisers' files."""
    if not file.is_file():
        raise InputError(f"{file.parent} has no {file.name}: FiQA needs both {' and '.join(FILES)}")
    records = read_json(file, "download it again")
    try:
        for record in records.values():
            for info in record["info"]:
                if not isinstance(record["sentence"], str):
                    raise TypeError("a sentence is not text")
                yield record["sentence"], score_of(info["sentiment_score"], file)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{file} is not FiQA's file of sentences and scores ({first_line(error)}):"
            " download it again"
        ) from None
