"""The wrapper around every command: error messages, exit status and lasting output streams.

A training or a conversion must not stop because `head` has read enough, the terminal is closed or
a disk is full.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, TextIO

from mlx_finbert.backend.process import kernel_problem, prepare_process
from mlx_finbert.cli.messages import printed_messages, told
from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import require_locale
from mlx_finbert.interrupt import ended_as_by_ctrl_c


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap a command so that it reports errors in one sentence and returns its exit status.

    The status is 0 for success, 1 for failed work, 2 for unusable input and 130 after Ctrl-C,
    SIGTERM or SIGHUP.

    If the reader of the output goes away (`head`), the work continues and its status is unchanged.
    If the output cannot be written, as on a full disk, the work also continues, but the status is
    not 0.
    """

    @wraps(main)
    def run(argv: list[str] | None = None) -> int:
        return with_lasting_streams(lambda: status_of(main, argv))

    return run


@printed_messages()
def status_of(main: Callable[..., int | None], argv: list[str] | None) -> int:
    """Run the command and return its status; print an exception as one sentence."""
    try:
        with ended_as_by_ctrl_c():
            require_locale(sys.argv[1:] if argv is None else argv)
            prepare_process()
            return main(argv) or 0
    except InputError as error:
        print(f"error: {told(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        # Where there are two names, as in a copy, the second is the file that is written.
        name = error.filename2 or error.filename
        where = f"{name}: " if name else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if (problem := kernel_problem(error)) is None:
            raise
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except SystemExit as end:
        if end.code:
            raise
        # argparse exits with 0 after --help.
        return 0


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
        self.is_read = True
        """Whether text still goes anywhere."""

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
        self.is_read = False
        if not isinstance(error, BrokenPipeError):
            self.lost = self.lost or error
        # This also discards the present buffer, which the interpreter would write at exit, and
        # the output of libraries that bypass Python.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)


def is_read() -> bool:
    """Whether standard output still goes anywhere; work that has no other result may end if not."""
    return getattr(sys.stdout, "is_read", True)


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
