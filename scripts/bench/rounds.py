"""Measure contenders in turn, and compare them.

The speed of machines drifts, so every round measures all contenders, each round in another order.
The result is the median of the rounds' ratios.
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
"""All ratios are relative to the seconds of this contender."""

PAUSE = 0.5
"""Seconds before a measurement, since OpenMP's threads spin for 0.2 s after their work."""


def count(text: str) -> int:
    """Parse a whole number from 1, for argparse."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def side_by_side(
    contenders: Mapping[str, list[str]], job: Job, rounds: int, folder: Path
) -> list[Answer]:
    """Measure contenders; return one row each, as `compared`, with their own information.

    Args:
        contenders: by name, the script in this folder and its arguments after `folder`.
        job: the work of a round.
        rounds: number of rounds.
        folder: folder with the checkpoint, where the job is written.
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
    """The answers of each contender, one per round."""
    answers: dict[str, list[Answer]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in rotated(list(contenders), number):
            time.sleep(pause)
            answers[name].append(contenders[name](number))
            # Show progress, since some rounds take hours.
            said = f"round {number + 1}, {name}: {answers[name][-1]['seconds']:.2f} s"
            print(said, file=sys.stderr, flush=True)
    return answers


def rotated(names: list[str], number: int) -> list[str]:
    """The order of a round, rotated so that each contender comes first in turn."""
    first = number % len(names)
    return names[first:] + names[:first]


def compared(answers: Mapping[str, list[Answer]]) -> list[Answer]:
    """One row per contender: its seconds, and their ratio to ours."""
    seconds = {name: [answer["seconds"] for answer in of] for name, of in answers.items()}
    return [compared_row(name, times, seconds[OURS]) for name, times in seconds.items()]


def compared_row(name: str, times: list[float], ours: list[float]) -> Answer:
    """A row of `compared`; the ratio is the median of ratios, not the ratio of medians."""
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
    """Format rows of `compared` as text; `num_rows` is the number of rows per round."""
    lines = [f"{'contender':<16}{'median s':>10}{'min .. max':>20}{'rows/s':>10}{'/ ours':>9}"]
    for row in rows:
        spread = f"{row['min']:.2f} .. {row['max']:.2f}"
        lines.append(
            f"{row['contender']:<16}{row['median']:>10.2f}{spread:>20}"
            f"{num_rows / row['median']:>10.1f}{row['ratio']:>9.2f}"
        )
    return "\n".join(lines)
