"""Memory that MLX's CPU backend frees stays with the process on Linux.

The backend takes every array from `malloc` and keeps none. glibc gives large ones back to the
system, which clears their pages one by one when they are asked for again: half the time of Adam. On
a GPU, MLX has a cache of its own.
"""

import ctypes
import platform
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, in one heap for all threads; whether it was done.

    The process stays as large as it once was. `MALLOC_ARENA_MAX` and the like in the environment
    have no effect on it.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
    taken = [mallopt(option, value) for option, value in wanted.items()]
    return all(taken)
