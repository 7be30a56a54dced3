"""Process-wide settings for MLX's CPU backend on Linux, made before the first computation."""

import ctypes
import os
import platform

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8

NEVER = -1
"""Value of M_TRIM_THRESHOLD that disables trimming; see mallopt(3)."""

BFS_MAX_WIDTH = "400"
"""Instead of MLX's default of 20, with which it schedules the parts of a batch one by one."""


def compute_side_by_side() -> None:
    """Let MLX schedule the shares of a batch in parallel; call before its first computation.

    `MLX_BFS_MAX_WIDTH` is unchanged if the environment already sets it.
    """
    os.environ.setdefault("MLX_BFS_MAX_WIDTH", BFS_MAX_WIDTH)


def prefer_memory() -> None:
    """Restore MLX's default order of a graph, with less memory and less parallel work.

    For gradient checkpointing: the parallel order would compute layers again too early. This has
    an effect only before MLX's first computation in this process.
    """
    if os.environ.get("MLX_BFS_MAX_WIDTH") == BFS_MAX_WIDTH:
        del os.environ["MLX_BFS_MAX_WIDTH"]


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory, in one heap for all threads; return whether that worked.

    The backend takes arrays from `malloc`. glibc returns large ones to the system, which clears
    their pages when they are requested again: half the time of Adam. The process does not shrink
    again.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: NEVER, M_ARENA_MAX: 1}
    taken = [mallopt(option, value) for option, value in wanted.items()]
    return all(taken)
