"""What can come of a damaged file or of a killed command, and the table of how often it does."""

import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError

PACKAGE = "mlx_finbert", "convert"
"""Folders whose code is named as the place of a failure."""

LONGEST_LINE, MOST_LINES = 1000, 12
"""Characters of a line, of which a sentence that quotes a whole value has more; lines of an error,
which may list the first ten bad rows."""

NO_MEMORY = "unable to allocate", "malloc"
"""Words of MLX's and Arrow's errors where memory is refused."""


class Outcome(StrEnum):
    """The columns of the table; those after `SENTENCE` are failures."""

    OK = "ok"
    """The file was read, or the killed command was repeated with the same result."""
    SENTENCE = "sentence"
    """An `InputError` that names the file."""
    UNCLEAR = "unclear"
    """An `InputError` that names no file or is very long."""
    OS_ERROR = "OSError"
    TRACEBACK = "traceback"
    CRASH = "crash"
    """The process was ended by a signal, or code in the file was run."""
    HANG = "hang"
    MEMORY = "over 1 GB"
    SILENT = "silent"
    """Damage that a checksum should have shown, or a result that cannot be right."""


FAILURES = tuple(Outcome)[2:]


class Silent(Exception):
    """A result that cannot be right; raised by what checks the result of a reader."""


@dataclass(frozen=True)
class Case:
    """One case of a reader or command."""

    number: int
    outcome: Outcome
    mutation: str = ""
    """What was done to the file, or where the command was killed."""
    note: str = ""
    """The error's type, first line and place in the package."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def outcome_of(error: BaseException, names: Iterable[str]) -> tuple[Outcome, str]:
    """Classify the error that a reader raised.

    Args:
        error: The error.
        names: Names of which a clear sentence has one, such as the file's.
    """
    note = described(error)
    if any(_is_refused_memory(inner) for inner in chain(error)):
        return Outcome.MEMORY, note
    if isinstance(error, Silent):
        return Outcome.SILENT, str(error)
    if isinstance(error, InputError):
        return (Outcome.SENTENCE if is_clear(str(error), names) else Outcome.UNCLEAR), note
    if isinstance(error, OSError):
        return Outcome.OS_ERROR, note
    return Outcome.TRACEBACK, note


def is_clear(sentence: str, names: Iterable[str]) -> bool:
    """Whether a sentence, which may be followed by a short list, has one of the names."""
    lines = sentence.strip().splitlines()
    is_short = len(lines) <= MOST_LINES and max(map(len, lines), default=0) <= LONGEST_LINE
    return is_short and any(name in lines[0] for name in names)


def chain(error: BaseException | None) -> Iterable[BaseException]:
    """An error and those in whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def described(error: BaseException) -> str:
    """The type, the first line and the innermost place of an error in the package."""
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if {*Path(frame.filename).parts} & {*PACKAGE}
    ]
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]} ({places[-1] if places else 'elsewhere'})"


def _is_refused_memory(error: BaseException) -> bool:
    text = str(error)[:200].lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY)
    )


def table(rows: dict[str, Sequence[Case]]) -> str:
    """A line for each reader or command, with a count for each outcome, and their sums."""
    columns = tuple(Outcome)
    width = max(map(len, [*rows, "together"])) + 2
    lines = [f"{'':<{width}}{'cases':>8}" + "".join(f"{name:>11}" for name in columns)]
    everything = [case for cases in rows.values() for case in cases]
    for name, cases in [*rows.items(), ("together", everything)]:
        counts = Counter(case.outcome for case in cases)
        figures = "".join(f"{counts[column]:>11,}" for column in columns)
        lines.append(f"{name:<{width}}{len(cases):>8,}{figures}")
    return "\n".join(lines)


def failures(rows: dict[str, Sequence[Case]]) -> str:
    """A line for each kind of failure: how often, the first case, what was done, and the error."""
    lines = []
    for name, cases in rows.items():
        kinds: dict[tuple[str, str], list[Case]] = {}
        for case in cases:
            if case.outcome in FAILURES:
                place = case.note.rpartition(" (")[2] or case.mutation
                kinds.setdefault((case.outcome, place), []).append(case)
        for (outcome, _), found in kinds.items():
            first = found[0]
            lines.append(
                f"{name}, case {first.number}: {outcome}, {len(found)} times;"
                f" {first.mutation}: {first.note}"
            )
    return "\n".join(lines)
