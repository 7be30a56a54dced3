"""What a check measures, and what it finds."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

from mlx_finbert.errors import first_line


@dataclass(frozen=True)
class Measure:
    """An error and the largest one that is right."""

    what: str
    error: float
    allowed: float

    @property
    def is_right(self) -> bool:
        """Whether the error is allowed; NaN is not."""
        return self.error <= self.allowed

    @property
    def share(self) -> float:
        """The error as a share of the allowed one, to find the worst of several measures."""
        if isnan(self.error):
            return float("inf")
        if not self.allowed:
            return float("inf") if self.error else 0.0
        return self.error / self.allowed

    def __str__(self) -> str:
        if not self.allowed:
            return self.what if self.is_right else f"{self.what}: off by {self.error:.1e}"
        return f"{self.what}: {self.error:.1e} of {self.allowed:.1e}"

    def to_dict(self) -> dict[str, Any]:
        """The measure for JSON, which has no form for an error that is not finite."""
        error = self.error if isfinite(self.error) else None
        return {"what": self.what, "error": error, "allowed": self.allowed}


class NotRun(Exception):
    """Raised by a check that this machine cannot carry out; the message says why."""


@dataclass(frozen=True)
class Check:
    """A check by name; `measure` returns at least one measure."""

    name: str
    measure: Callable[[], Iterable[Measure]]
    shows_all: bool = False
    """Whether to show all measures; otherwise only the worst one."""


@dataclass(frozen=True)
class Finding:
    """The outcome of a check."""

    name: str
    passed: bool | None
    """None if the check was not run."""
    seconds: float
    measures: tuple[Measure, ...] = ()
    """Those to show."""
    note: str = ""
    """Why the check failed without a measure, or why it was not run."""

    def __str__(self) -> str:
        word = {True: "right", False: "WRONG", None: "-"}[self.passed]
        texts = [str(measure) for measure in self.measures] or [self.note]
        lines = [f"{word:<7}{self.name:<35}{texts[0]}", *(" " * 42 + text for text in texts[1:])]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The finding for JSON."""
        found: dict[str, Any] = {"name": self.name, "passed": self.passed}
        found["measures"] = [measure.to_dict() for measure in self.measures]
        return found | {"note": self.note, "seconds": round(self.seconds, 3)}


def carried_out(check: Check) -> Finding:
    """Carry out a check; an exception in it is a fault that the check has found."""
    start = time.perf_counter()
    try:
        measures = list(check.measure())
    except NotRun as reason:
        return Finding(check.name, None, time.perf_counter() - start, note=str(reason))
    except Exception as error:
        note = f"{type(error).__name__}: {first_line(error)}"
        return Finding(check.name, False, time.perf_counter() - start, note=note)
    passed = all(measure.is_right for measure in measures)
    worst = max(measures, key=lambda measure: measure.share)
    shown = tuple(measures) if check.shows_all else (worst,)
    return Finding(check.name, passed, time.perf_counter() - start, shown)
