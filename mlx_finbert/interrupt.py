"""Ctrl-C as a wish to stop after the step or the batch under way."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_noted() -> Iterator[threading.Event]:
    """Ctrl-C sets the event once; a second one interrupts as usual.

    Nothing is installed off the main thread, which signals do not reach, and where the signal is
    ignored, as under `nohup`.
    """
    noted = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before in (None, signal.SIG_IGN):
        yield noted
        return

    def note(signum: int, frame: FrameType | None) -> None:
        noted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
