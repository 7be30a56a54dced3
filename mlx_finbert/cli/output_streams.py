"""Standard output and error that outlast their readers.

A command that trains or converts must not end because `head` has read enough, the terminal is gone
or a disk is full.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class LastingStream:
    """A text stream that drops all further text after the first write that fails."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        # A path or a text may hold characters that the terminal's encoding, or any, lacks. The
        # stream of a notebook has no such method.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
        self.lost: OSError | None = None
        """Why text was lost; None also if the reader had closed the pipe, as `head` does."""

    def write(self, text: str) -> int:
        """Write, or drop, the text; returns its length."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write, or drop, what is buffered."""
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _give_up(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.lost = self.lost or error
        # Also what is in the buffer now, which the interpreter would write at its exit, and what
        # libraries write without Python.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)


@contextmanager
def lasting_streams() -> Iterator[LastingStream]:
    """Replace `sys.stdout` and `sys.stderr` by such streams; yields the first."""
    occupy_closed()
    before = sys.stdout, sys.stderr
    # Without a file behind it, as with `>&-`, Python has None there.
    sys.stdout, sys.stderr = (
        LastingStream(stream or open(os.devnull, "w"))  # noqa: SIM115
        for stream in before
    )
    try:
        yield sys.stdout
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.stdout, sys.stderr = before


def with_lasting_streams(work: Callable[[], int]) -> int:
    """Do some work with such streams.

    Returns:
        Its exit status; where output was lost, one that is not 0.
    """
    with lasting_streams() as output:
        status = work()
        output.flush()
        if output.lost:
            print(
                f"error: standard output: {output.lost.strerror}; not all of it was written",
                file=sys.stderr,
            )
    return status or int(output.lost is not None)


def occupy_closed() -> None:
    """Open the null device for standard streams that are closed.

    The next file to be opened would otherwise get the number of one, and what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_RDWR)
