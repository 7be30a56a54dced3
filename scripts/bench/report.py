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

Found = dict[str, Any]


def parse(description: str, cases: Mapping[str, Any], argv: list[str] | None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case", nargs="+", choices=cases, default=list(cases), help="cases to run"
    )
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="default: 5")
    parser.add_argument("--rows", type=count, metavar="N", help="use at most N rows per case")
    parser.add_argument("--threads", type=count, metavar="N", help="use N cores (only on Linux)")
    parser.add_argument("--phrasebank", metavar="PATH", help=f"path of {ARCHIVE}")
    parser.add_argument("--imdb", metavar="PATH", help="Parquet file of the IMDB reviews")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


def keep_to_cores(number: int) -> None:
    """Limit this process to some cores; workers inherit this and start as many threads.

    Raises:
        InputError: if the system does not support this or has fewer cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise InputError("--threads has no effect on this system: leave it out")
    cores = sorted(os.sched_getaffinity(0))
    if number > len(cores):
        raise InputError(f"--threads is {number}: there are only {len(cores)} cores")
    os.sched_setaffinity(0, cores[:number])


def report(
    arguments: argparse.Namespace,
    measure: Callable[[str, argparse.Namespace], Found],
    note: Callable[[Found], str],
) -> None:
    """Measure the cases and print a table for each, or JSON.

    Args:
        arguments: from `parse`.
        measure: measures a case by name.
        note: returns a line to print below the table.
    """
    require_packages("torch", "accelerate")
    if arguments.threads:
        keep_to_cores(arguments.threads)
    found = {"machine": machine(), "rounds": arguments.rounds}
    if arguments.json:
        found["cases"] = [measure(name, arguments) for name in arguments.case]
        print(json.dumps(found, indent=2))
        return
    print(f"{described(found['machine'])}\nrounds: {arguments.rounds}")
    for name in arguments.case:
        case = measure(name, arguments)
        print(f"\n{heading(case)}\n{table(case['contenders'], case['rows'])}\n{note(case)}")


def heading(case: Found) -> str:
    """The case and the devices of the contenders."""
    devices = (
        f"{row['contender']} on {row['device']}"
        + (f" with {row['threads']} threads" if row["threads"] else "")
        for row in case["contenders"]
    )
    return (
        f"{case['case']}: {case['about']}, {case['rows']:,} rows, batch {case['batch_size']}\n"
        f"{', '.join(devices)}"
    )
