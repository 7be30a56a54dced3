"""The flags and the output that train.py and predict.py share."""

import argparse
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from inputs import ARCHIVE, require_packages
from machine import described, machine
from rounds import count, table

from mlx_finbert.errors import InputError
from mlx_finbert.settings import require

Found = dict[str, Any]


def parse(description: str, cases: Mapping[str, Any], argv: list[str] | None) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=cases, default=list(cases), help="some alone")
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="default: 5")
    parser.add_argument("--rows", type=count, metavar="N", help="at most so many a case")
    parser.add_argument("--threads", type=count, metavar="N", help="so many cores (Linux alone)")
    parser.add_argument("--phrasebank", metavar="PATH", help=f"of {ARCHIVE}")
    parser.add_argument("--imdb", metavar="PATH", help="of the reviews, a Parquet file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


def keep_to_cores(number: int) -> None:
    """Workers inherit it, and their libraries start as many threads as they have cores.

    Raises:
        InputError: where the system cannot, or has fewer cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise InputError("--threads has no effect on this system: leave it out")
    cores = sorted(os.sched_getaffinity(0))
    require(number <= len(cores), "--threads", number, f"at most the {len(cores)} cores")
    os.sched_setaffinity(0, cores[:number])


def report(
    arguments: argparse.Namespace,
    measure: Callable[[str, argparse.Namespace], Found],
    note: Callable[[Found], str],
) -> None:
    """Measure the cases and print a table for each, or JSON.

    Args:
        arguments: from `parse`.
        measure: one case, by its name.
        note: a line under its table.
    """
    require_packages("torch", "accelerate")
    if arguments.threads:
        keep_to_cores(arguments.threads)
    found = {"machine": machine(), "rounds": arguments.rounds}
    if arguments.json:
        found["cases"] = [measure(name, arguments) for name in arguments.case]
        print(json.dumps(found, indent=2))
        return
    print(f"{described(found['machine'])}\n{arguments.rounds} rounds")
    for name in arguments.case:
        case = measure(name, arguments)
        print(f"\n{heading(case)}\n{table(case['contenders'], case['rows'])}\n{note(case)}")


def heading(case: Found) -> str:
    """What was measured, and on which devices."""
    devices = (
        f"{row['contender']} on {row['device']}"
        + (f" with {row['threads']} threads" if row["threads"] else "")
        for row in case["contenders"]
    )
    return (
        f"{case['case']}: {case['about']}, {case['rows']:,} rows, batch {case['batch_size']}\n"
        f"{', '.join(devices)}"
    )
