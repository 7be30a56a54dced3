"""Kills commands between two changes of files, and fills their disk; then repeats them.

Python reports each change of a file or folder before it is made (`sys.addaudithook`). One run
counts the changes in the command's folder; further runs are killed (`kill -9`) before one of them,
spread over all. Then the command is repeated: it must end with the result of a run that was not
killed, and leave the same files. One more run is recorded for what a power cut could lose.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from commands import Command
from copies import Say, in_a_copy
from damage import copied, made
from limits import limited
from outcomes import Case, Outcome, Silent, is_clear, outcome_of
from power_cut import Disk

from mlx_finbert.errors import InputError

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
"""Events that change a folder; `open` does too if the file is opened for writing."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

SECONDS = 900
"""Time of a command, of the processor and of the clock."""


@dataclass
class Changes:
    """Counts the changes of files in a folder; ends the process before one of them."""

    folder: Path
    last: int | None = None
    """The number, from 0, of the change before which the process ends; None for none."""
    count: int = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_change(event, arguments):
            return
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def is_change(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Whether an audit event is a change of a file in the folder, the present one."""
        if event not in CHANGES and not (event == "open" and arguments[2] & WRITING):
            return False
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        whole = os.path.join(self.folder, os.fsdecode(path))
        return whole.startswith(f"{self.folder}{os.sep}")


@dataclass(frozen=True)
class Reference:
    """What a run leaves that was not disturbed."""

    changes: int
    result: str
    files: list[str]
    largest: int
    """Bytes of the largest file in the folder."""
    seen: list[str]
    """What a reader may see of the target: before and after the run."""


def kills_of(command: Command, count: int, root: Path) -> Iterator[Case]:
    """Yield a case for each kill and each full disk, `count` of both, and one for a power cut."""
    material, place = made(command.material, root), root / "case"
    reference = undisturbed(command, material, place)
    for number in range(count):
        point = number * reference.changes // count
        disturb = partial(_kill, command, place, point)
        told = f"killed before change {point} of {reference.changes}"
        yield case(command, material, place, reference, number, told, disturb)
    for number in range(count):
        size = int(reference.largest ** (number / count)) if number else 0
        disturb = partial(_fill, command, place, size)
        told = f"files of at most {size} bytes"
        yield case(command, material, place, reference, count + number, told, disturb)
    yield power_cut(command, material, place, 2 * count)


def undisturbed(command: Command, material: Path, place: Path) -> Reference:
    """Run a command to its end."""

    def work(say: Say) -> None:
        folder = copied(material, place)
        seen = [command.whole(folder)] if command.whole else []
        sys.addaudithook(changes := Changes(folder))
        command.work(folder)
        count = changes.count
        seen += [command.whole(folder)] if command.whole else []
        say([count, command.result(folder), files_of(folder), _largest(folder), seen])

    said, status = in_a_copy(work)
    if status or not said:
        in_a_copy(work, quiet=False)
        raise RuntimeError(f"{command.name} fails undisturbed")
    return Reference(*said[0])


def case(
    command: Command,
    material: Path,
    place: Path,
    reference: Reference,
    number: int,
    told: str,
    disturb: Callable[[], tuple[Outcome, str]],
) -> Case:
    """Disturb a command in a fresh folder and repeat it; the worse of both outcomes counts."""
    copied(material, place)
    outcome, note = disturb()
    if outcome in (Outcome.OK, Outcome.SENTENCE):
        said, status = in_a_copy(partial(_repeat, command, place, reference))
        failed = [Outcome.CRASH, f"repeated: ended with status {status}"]
        again, note_again = said[0] if said else failed
        if again != Outcome.OK:
            outcome, note = Outcome(again), note_again
    return Case(number, outcome, told, note)


def _kill(command: Command, place: Path, point: int) -> tuple[Outcome, str]:
    def work(say: Say) -> None:
        sys.addaudithook(Changes(place, point))
        with limited(SECONDS, SECONDS):
            command.work(place)

    _, status = in_a_copy(work)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return Outcome.OK, ""
    # A run may make fewer changes than that which was counted.
    return (Outcome.CRASH, f"ended with status {status}") if status else (Outcome.OK, "")


def _fill(command: Command, place: Path, size: int) -> tuple[Outcome, str]:
    """Run a command while no file can get longer than a size; its sentence must name a path."""

    def work(say: Say) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            with limited(SECONDS, SECONDS):
                command.work(place)
            say([Outcome.OK, ""])
        except OSError as error:
            text = f"{error.filename2 or error.filename or ''} {error}"
            is_named = is_clear(text, [str(place)])
            outcome, note = outcome_of(error, [])
            say([Outcome.SENTENCE if is_named else outcome, note])
        except Exception as error:
            say([*outcome_of(error, [str(place)])])

    said, status = in_a_copy(work)
    outcome, note = said[0] if said else (Outcome.CRASH, f"ended with status {status}")
    return Outcome(outcome), note


def _repeat(command: Command, place: Path, reference: Reference, say: Say) -> None:
    """Do what a user does after a kill, and say the outcome."""
    os.chdir(place)
    try:
        with limited(SECONDS, SECONDS):
            if command.whole and command.whole(place) not in reference.seen:
                raise Silent("a reader sees a target that is neither the old one nor the new one")
            _repeated(command, place)
            found = command.result(place)
        if found != reference.result:
            raise Silent("the repeated command has another result")
        if more := sorted({*files_of(place)} ^ {*reference.files}):
            raise Silent(f"too many or too few files: {', '.join(more)[:200]}")
        say([Outcome.OK, ""])
    except Exception as error:
        outcome, note = outcome_of(error, [])
        say([outcome, f"repeated: {note}"])


def _repeated(command: Command, place: Path) -> None:
    """Repeat the command; if it refuses, its result must be there already."""
    try:
        (command.again or command.work)(place)
    except InputError:
        try:
            command.result(place)
        except Exception as missing:
            raise Silent("it is not complete, and the command refuses to be repeated") from missing


def power_cut(command: Command, material: Path, place: Path, number: int) -> Case:
    """Run a command and find what a power cut could lose, by the order of its flushes."""

    def work(say: Say) -> None:
        disk = Disk(copied(material, place))
        disk.install()
        command.work(place)
        say([len(disk.events), disk.at_end()])

    said, status = in_a_copy(work)
    if not said:
        return Case(number, Outcome.CRASH, "recorded", f"ended with status {status}")
    events, faults = said[0]
    outcome = Outcome.SILENT if faults or not events else Outcome.OK
    return Case(number, outcome, f"{events} flushes and renames", "; ".join(faults)[:300])


def files_of(folder: Path) -> list[str]:
    """The files and folders in a folder, hidden ones included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
