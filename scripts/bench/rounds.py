"""Contenders measured in turn, and their ratios.

Machines drift: every round asks all contenders, each round in another order, and what counts is the
median of the rounds' ratios.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from job import Job
from workers import Answer, workers

OURS = "ours"
"""All ratios are over this contender's seconds."""

PAUSE = 0.5
"""Seconds before a measurement: OpenMP's threads go on spinning for 0.2 s after their work."""


def count(text: str) -> int:
    """A number from 1 on, for argparse."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def side_by_side(
    contenders: Mapping[str, list[str]], job: Job, rounds: int, folder: Path
) -> list[Answer]:
    """Measure contenders; a row each, as in `compared`, with what they said of themselves.

    Args:
        contenders: for each the script, of this folder, and what it is given after `folder`.
        job: the work of a round.
        rounds: how many.
        folder: holds the checkpoint, and takes the job.
    """
    job.write(folder)
    here = Path(__file__).parent
    commands = {
        name: [sys.executable, str(here / script), str(folder), *more]
        for name, (script, *more) in contenders.items()
    }
    with workers(commands) as warm:
        answers = in_rounds(warm, rounds)
    more = {name: worker.about | answers[name][-1] for name, worker in warm.items()}
    return [more[row["contender"]] | row for row in compared(answers)]


def in_rounds(
    contenders: Mapping[str, Callable[[int], Answer]], rounds: int, pause: float = PAUSE
) -> dict[str, list[Answer]]:
    """The answers of each contender, one a round."""
    answers: dict[str, list[Answer]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in rotated(list(contenders), number):
            time.sleep(pause)
            answers[name].append(contenders[name](number))
            # Whole runs take hours.
            said = f"round {number + 1}, {name}: {answers[name][-1]['seconds']:.2f} s"
            print(said, file=sys.stderr, flush=True)
    return answers


def rotated(names: list[str], number: int) -> list[str]:
    """The order of a round: each contender comes first, second, ... in turn."""
    first = number % len(names)
    return names[first:] + names[:first]


def compared(answers: Mapping[str, list[Answer]]) -> list[Answer]:
    """Seconds of each contender, and how many times ours they are: a row each."""
    seconds = {name: [answer["seconds"] for answer in of] for name, of in answers.items()}
    return [compared_row(name, times, seconds[OURS]) for name, times in seconds.items()]


def compared_row(name: str, times: list[float], ours: list[float]) -> Answer:
    """The ratio is the median of the rounds' ratios, not the ratio of the medians."""
    ratios = [theirs / own for theirs, own in zip(times, ours, strict=True)]
    return {
        "contender": name,
        "seconds": times,
        "median": median(times),
        "min": min(times),
        "max": max(times),
        "ratios": ratios,
        "ratio": median(ratios),
    }


def table(rows: list[Answer], num_rows: int) -> str:
    """Rows of `compared`, for people; `num_rows` is the work of a round."""
    lines = [f"{'contender':<16}{'median s':>10}{'min .. max':>20}{'rows/s':>10}{'/ ours':>9}"]
    for row in rows:
        spread = f"{row['min']:.2f} .. {row['max']:.2f}"
        lines.append(
            f"{row['contender']:<16}{row['median']:>10.2f}{spread:>20}"
            f"{num_rows / row['median']:>10.1f}{row['ratio']:>9.2f}"
        )
    return "\n".join(lines)
