"""The memory and the time that a case may take. Linux counts both for a process exactly."""

import ctypes
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEMORY = 1 << 30
"""Bytes that a case may need beyond those that its process had."""
ADDRESSES = 3 << 30
"""Bytes of address space beyond those of the process, at which memory is refused."""
CPU_SECONDS, SECONDS = 20, 300
"""Time of a case: of the processor, and of the clock for a case that waits."""

ENDS = {signal.SIGPROF, signal.SIGALRM}
"""The signals that end a process at either limit, also in the middle of native code."""


@contextmanager
def limited(cpu_seconds: float = CPU_SECONDS, seconds: float = SECONDS) -> Iterator[None]:
    """End this process by one of `ENDS` if the block takes too long, and refuse it memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ADDRESSES, before[1]))
    for number in ENDS:
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)


class Peak:
    """The memory that this process takes in addition, at its peak, from this object's making."""

    def __init__(self) -> None:
        # Freed memory that the process keeps would be used again without being counted.
        ctypes.CDLL(None).malloc_trim(0)
        # 5 sets the peak back to what is resident now; see proc_pid_clear_refs(5).
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self.before = resident()

    def more(self) -> int:
        """Bytes at the peak, beyond those resident at the start."""
        return _status("VmHWM") - self.before


def resident() -> int:
    """Resident memory of this process, in bytes."""
    return _status("VmRSS")


def _status(key: str) -> int:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024
