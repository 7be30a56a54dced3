"""Handling of Ctrl-C as a request to stop after the current step or batch."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_noted() -> Iterator[threading.Event]:
    """Set the event on the first Ctrl-C; a second one interrupts as usual.

    The handler is not installed outside the main thread, where signals do not arrive, nor where the
    signal is ignored, as under `nohup`.
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
