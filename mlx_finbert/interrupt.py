"""Handling of Ctrl-C, SIGTERM and SIGHUP as a request to stop after the current step or batch."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None

ENDS = signal.SIGTERM, signal.SIGHUP
"""The signals of `kill`, schedulers and closed terminals."""


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, so that a command ends as after Ctrl-C.

    A handler of the program and an ignored signal, as under `nohup`, stay.
    """
    ends = [number for number in ENDS if signal.getsignal(number) == signal.SIG_DFL]
    with _handled(dict.fromkeys(ends, signal.default_int_handler)):
        yield


@contextmanager
def interrupt_noted() -> Iterator[threading.Event]:
    """Set the event on the first Ctrl-C; a second one interrupts as usual.

    In a command, SIGTERM and SIGHUP set the event too. They may come twice for one reason (GNU
    `timeout` and shells send them to a process and to its group), so repetitions change nothing.
    A program that calls the library keeps its own handling of these two.

    No handler is installed outside the main thread, where signals do not arrive, nor where the
    signal is ignored, as under `nohup`.
    """
    noted = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: FrameType | None) -> None:
        noted.set()
        if signum == signal.SIGINT:
            signal.signal(signal.SIGINT, before)

    taken = [number for number in ENDS if signal.getsignal(number) is signal.default_int_handler]
    if before not in (None, signal.SIG_IGN):
        taken.append(signal.SIGINT)
    with _handled(dict.fromkeys(taken, note)):
        yield noted


@contextmanager
def _handled(handlers: dict[signal.Signals, Handler]) -> Iterator[None]:
    """Install handlers for the block, if it runs in the main thread."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, new) for number, new in handlers.items()}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
