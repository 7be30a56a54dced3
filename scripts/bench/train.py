"""Seconds per epoch of fine-tuning: this library, an MLX loop and transformers' Trainer.

    python scripts/bench/train.py [--case NAME ...] [--rounds N] [--json]

An epoch starts from texts in memory, so it includes tokenization; the model is already loaded. All
contenders have the same weights, rows, batch size, threads, dropout and learning rate, in float32.
`mlx-loop` is a loop as an MLX user would write it, with our model and MLX's layers (mlx_loop.py).
`trainer` is the Trainer with its defaults: random batches padded to their longest row.
`trainer-grouped` groups rows of similar length. `/ ours` is the median of the rounds' ratios.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from inputs import imdb, phrasebank, write_checkpoint
from job import Job
from report import Found, parse, report
from rounds import OURS, side_by_side

from mlx_finbert.cli.command import command

MAX_LENGTH = 512
CONTENDERS = {
    OURS: ["our_training.py"],
    "mlx-loop": ["mlx_loop.py"],
    "trainer": ["trainer.py", "random"],
    "trainer-grouped": ["trainer.py", "group_by_length"],
}


@dataclass
class Case:
    """A model and rows to train it on."""

    about: str
    model: str
    data: str
    batch_size: int
    rows: int | None = None
    """Number of rows, sampled with a fixed seed; None for all."""


CASES = {
    "minilm-16": Case("MiniLM, PhraseBank all-agree", "minilm", "phrasebank", 16),
    "minilm-32": Case("MiniLM, PhraseBank all-agree", "minilm", "phrasebank", 32),
    "distilbert-imdb": Case("DistilBERT size, IMDB cut at 512", "distilbert", "imdb", 16, 512),
    "finbert-fpb": Case("BERT-base size, a part of PhraseBank", "bert", "phrasebank", 32, 320),
}


@command
def main(argv: list[str] | None = None) -> None:
    report(parse(__doc__, CASES, argv), measure, note)


def measure(name: str, arguments: argparse.Namespace) -> Found:
    """Measure a case: in each round, one epoch of each contender."""
    case = CASES[name]
    job = job_of(case, arguments)
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(case.model, job.label_names, Path(folder))
        rows = side_by_side(CONTENDERS, job, arguments.rounds, Path(folder))
    return {
        "case": name,
        "about": case.about,
        "rows": len(job.texts),
        "batch_size": job.batch_size,
        "contenders": rows,
    }


def job_of(case: Case, arguments: argparse.Namespace) -> Job:
    """The rows of a case."""
    if case.data == "imdb":
        data = imdb(arguments.imdb, "train")
    else:
        data = phrasebank(arguments.phrasebank, "allagree")
    order = np.random.default_rng(0).permutation(len(data))
    data = data.take(order[: case.rows][: arguments.rows], case.data)
    labels = data.label_ids.tolist()
    return Job(data.texts, data.label_names, case.batch_size, MAX_LENGTH, labels)


def note(case: Found) -> str:
    """Further figures of ours, for below the table."""
    ours = case["contenders"][0]
    return (
        f"ours: {ours['padding_waste']:.1%} of the positions are padding, {ours['traces']} traces,"
        f" {ours['warm_up_seconds']:.1f} s for the first steps,"
        f" {ours['seconds_before_steps']:.2f} s of the last epoch before its first step"
    )


if __name__ == "__main__":
    sys.exit(main())
