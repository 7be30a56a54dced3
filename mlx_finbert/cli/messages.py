"""What a command prints of the library: parameters as flags, and notes on the standard streams.

A message of the library names a parameter as Python spells it, in backticks: "add
`overwrite=True`". The command line alone knows that its user writes `--overwrite`.
"""

import dataclasses
import json
import logging
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

PARAMETER = re.compile(r"`(\w+)(?:=((?:[^`\\]|\\.)*))?`")
"""A name in backticks, with or without a value."""


def flag_of(name: str) -> str:
    """Return the flag of a parameter: `--learning-rate` for `learning_rate`."""
    return "--" + name.replace("_", "-")


def with_flags(message: str, names: Collection[str]) -> str:
    """Replace the parameters in a message with their flags.

    `overwrite=True` becomes `--overwrite`, `header=False` becomes `--no-header`, and
    `max_length=8` becomes `--max-length 8`.

    Args:
        message: The message, with parameters in backticks.
        names: The parameters that are flags; all else in backticks stays as it is.
    """

    def flag(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in names:
            return found[0]
        if value == "False":
            return flag_of(f"no_{name}")
        return flag_of(name) if value in (None, "True") else f"{flag_of(name)} {value}"

    return PARAMETER.sub(flag, message)


@dataclass
class Running:
    """The running command, as far as its messages depend on it."""

    names: Collection[str] = ()
    """The parameters that are flags; empty until the flags are parsed."""
    notes: str = "stdout"
    """The stream of its notes."""


_running: list[Running] = []
"""The running command last; before it, the commands that called it."""


def running() -> Running:
    """Return the running command; outside of commands, one without flags."""
    return _running[-1] if _running else Running()


def set_parameters(settings_class: type) -> None:
    """Set the parameters of the running command, if any: the settings that are flags."""
    fields = dataclasses.fields(settings_class)
    running().names = {f.name for f in fields if not f.metadata.get("positional")}


def notes_to_stderr() -> None:
    """Print the notes of the running command apart from its output."""
    running().notes = "stderr"


def told(message: object) -> str:
    """Return a message as the running command prints it, with its flags."""
    return with_flags(str(message), running().names)


class Result(Protocol):
    """What a command found; `str` gives its text."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as values of JSON."""


def print_result(result: Result, as_json: bool) -> None:
    """Print a result as text, with its parameters as flags, or as a JSON object."""
    figures = json.dumps(result.to_dict(), indent=2, allow_nan=False) if as_json else None
    print(told(figures or result))


class Printed(logging.Handler):
    """Print each record's message alone."""

    def emit(self, record: logging.LogRecord) -> None:
        is_note = record.levelno < logging.WARNING
        stream = sys.stdout if is_note and running().notes == "stdout" else sys.stderr
        print(told(self.format(record)), file=stream, flush=True)


@contextmanager
def printed_messages() -> Iterator[None]:
    """Print the library's notes, and all warnings, while a command runs."""
    library, root = logging.getLogger("mlx_finbert"), logging.getLogger()
    notes, warnings, level = Printed(), Printed(logging.WARNING), library.level
    notes.addFilter(lambda record: record.levelno < logging.WARNING)
    # A program that calls the command and has handlers of its own shows warnings itself.
    owns_root = not root.handlers
    library.addHandler(notes)
    library.setLevel(logging.INFO)
    if owns_root:
        root.addHandler(warnings)
    _running.append(Running())
    try:
        yield
    finally:
        _running.pop()
        root.removeHandler(warnings)
        library.setLevel(level)
        library.removeHandler(notes)
