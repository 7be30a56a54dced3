"""Copies of this process (fork) that do one thing and are judged by what they say and how they end.

The process itself must never compute with MLX: its threads would be missing in the copies.
"""

import faulthandler
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from limits import ENDS
from outcomes import Case, Outcome, described

Say = Callable[[Any], None]
"""Sends a value that JSON can hold from a copy to this process."""


def in_a_copy(work: Callable[[Say], None], quiet: bool = True) -> tuple[list[Any], int]:
    """Run `work` in a copy of this process; return what it said and its status, as of `waitpid`."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _be_a_copy(work, writing, quiet)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as lines:
        said = [json.loads(line) for line in lines if line.endswith("\n")]
    return said, os.waitpid(pid, 0)[1]


def _be_a_copy(work: Callable[[Say], None], writing: int, quiet: bool) -> None:
    """Run `work` and end the process without what Python does at its end."""
    # It would print the stacks of a copy that is meant to crash.
    faulthandler.disable()
    if quiet:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)

    def say(value: Any) -> None:
        os.write(writing, json.dumps(value).encode() + b"\n")

    try:
        work(say)
        os._exit(0)
    except BaseException:
        if not quiet:
            import traceback

            traceback.print_exc()
        os._exit(1)


def judged(numbers: range, judge: Callable[[int], Case]) -> Iterator[Case]:
    """Yield a case for each number; copies of this process make them, a new one after each end.

    Args:
        numbers: The cases.
        judge: Makes a case. Its process ends without a word at a limit or in a crash.
    """
    left = list(numbers)
    while left:
        said, status = in_a_copy(partial(_judge_all, left, judge))
        if not said:
            raise RuntimeError(f"a copy of this process ended at once, with status {status}")
        found = [
            Case(**one | {"outcome": Outcome(one["outcome"])})
            for one in said
            if one["outcome"] != "begun"
        ]
        yield from found
        if len(said) % 2:
            yield _unfinished(said[-1], status)
        left = left[-(-len(said) // 2) :]


def _judge_all(numbers: list[int], judge: Callable[[int], Case], say: Say) -> None:
    for number in numbers:
        say({"number": number, "outcome": "begun"})
        try:
            case = judge(number)
        except Exception as error:
            case = Case(number, Outcome.CRASH, "of the campaign itself", described(error))
        say(case.to_json())
        if case.outcome is Outcome.MEMORY:
            # A process that has had much memory may keep it.
            return


def _unfinished(begun: dict[str, Any], status: int) -> Case:
    """The case in which a copy ended with this status."""
    ended_by = signal.Signals(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None
    case = Case(begun["number"], Outcome.CRASH, note=f"ended with status {status}")
    if ended_by in ENDS:
        return replace(case, outcome=Outcome.HANG, note="took too long")
    if ended_by == signal.SIGKILL:
        return replace(case, outcome=Outcome.MEMORY, note="killed, as for want of memory")
    return case if ended_by is None else replace(case, note=f"ended by {ended_by.name}")
