"""Standard output and error streams that survive a closed pipe and a full disk.

A training or a conversion must not stop because `head` has read enough, the terminal is closed or
a disk is full.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class LastingStream:
    """A text stream that discards all text after the first failed write."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        # A path or a text may hold characters that the terminal's encoding, or any encoding,
        # lacks. The streams of a notebook have no such method.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
        self.lost: OSError | None = None
        """Why text was lost; None if the reader closed the pipe, as `head` does."""

    def write(self, text: str) -> int:
        """Write or discard the text; return its length."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write or discard the buffered text."""
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _give_up(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.lost = self.lost or error
        # This also discards the present buffer, which the interpreter would write at exit, and
        # the output of libraries that bypass Python.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)


@contextmanager
def lasting_streams() -> Iterator[LastingStream]:
    """Replace `sys.stdout` and `sys.stderr` with lasting streams; yield the new `sys.stdout`."""
    occupy_closed()
    before = sys.stdout, sys.stderr
    # Python sets a closed stream (`>&-`) to None.
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
    """Run `work` with lasting streams.

    Returns:
        The exit status of `work`, or 1 if that is 0 and output was lost.
    """
    with lasting_streams() as output:
        status = work()
        output.flush()
        if output.lost:
            print(
                f"error: standard output: {output.lost.strerror}; part of it was not written",
                file=sys.stderr,
            )
    return status or int(output.lost is not None)


def occupy_closed() -> None:
    """Open the null device for each closed standard stream.

    Otherwise the next file that is opened would get the stream's number, and libraries would print
    into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The system assigns the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
