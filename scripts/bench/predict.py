"""Rows scored per second: this library, transformers' pipeline and a PyTorch loop.

    python scripts/bench/predict.py [--case NAME ...] [--rounds N] [--json]

Measures from texts in memory to probabilities, with MiniLM and a fresh head, in batches of 32 rows
cut at 512 tokens, in float32. `pipeline` takes the rows in their order. `sorted-loop` is a typical
hand-written loop: it tokenizes all rows, sorts them by length, and restores the order of the
results. All contenders must compute the same probabilities. `/ ours` is the median, over rounds, of
the ratio of seconds to ours.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from inputs import imdb, phrasebank, write_checkpoint
from job import Job
from report import Found, parse, report
from rounds import OURS, side_by_side
from scoring import probabilities_file

from mlx_finbert.cli.command import command

BATCH_SIZE = 32
MAX_LENGTH = 512
LABELS = ["negative", "neutral", "positive"]
TOLERANCE = 1e-4
"""Largest allowed difference of the probabilities between contenders."""

CONTENDERS = {
    OURS: ["our_prediction.py"],
    "pipeline": ["torch_prediction.py", "pipeline"],
    "sorted-loop": ["torch_prediction.py", "sorted-loop"],
}
CASES = {"phrasebank": 20_000, "imdb": 2_000}
"""Number of rows by case."""


@command
def main(argv: list[str] | None = None) -> None:
    report(parse(__doc__, CASES, argv), measure, note)


def measure(name: str, arguments: argparse.Namespace) -> Found:
    """Measure a case: in each round, each contender scores all rows."""
    texts = texts_of(name, min(CASES[name], arguments.rows or CASES[name]), arguments)
    job = Job(texts, LABELS, BATCH_SIZE, MAX_LENGTH)
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint("minilm", LABELS, Path(folder))
        rows = side_by_side(CONTENDERS, job, arguments.rounds, Path(folder))
        difference = greatest_difference(Path(folder))
    for row in rows:
        row["rows_per_second"] = len(texts) / row["median"]
    return {
        "case": name,
        "about": "MiniLM, reviews cut at 512" if name == "imdb" else "MiniLM, sentences",
        "rows": len(texts),
        "batch_size": BATCH_SIZE,
        "greatest_difference": difference,
        "contenders": rows,
    }


def texts_of(name: str, count: int, arguments: argparse.Namespace) -> list[str]:
    """The rows of a case."""
    if name == "imdb":
        reviews = imdb(arguments.imdb, "test").texts
        return random.Random(0).sample(reviews, min(count, len(reviews)))
    return varied(phrasebank(arguments.phrasebank, "50agree").texts, count)


def varied(sentences: Sequence[str], count: int) -> list[str]:
    """Make `count` rows with the lengths of the sentences, and few duplicates.

    The sentences come first, unchanged. Then each keeps the first half of its words and gets the
    second half of the next longer one, then of the one after that, and so on.
    """
    words = sorted((sentence.split() for sentence in sentences), key=len)
    rows = []
    for shift in range(-(-count // len(words))):
        for own, other in zip(words, words[shift:] + words[:shift], strict=True):
            rows.append(" ".join(own[: len(own) // 2] + other[len(other) // 2 :]))
    return random.Random(0).sample(rows, count)


def greatest_difference(folder: Path) -> float:
    """The largest difference of a probability from ours; exit if it is too large."""
    ours, *others = (np.load(probabilities_file(folder, name)) for name in CONTENDERS)
    most = float(np.abs(np.stack(others) - ours).max())
    if not most < TOLERANCE:
        sys.exit(f"two contenders differ by {most:.1e} in a probability: not the same work")
    return most


def note(case: Found) -> str:
    """The agreement of the results."""
    return f"no probability differs from ours by more than {case['greatest_difference']:.1e}"


if __name__ == "__main__":
    sys.exit(main())
