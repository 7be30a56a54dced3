"""Settings of a process for MLX's CPU backend on Linux, made before it computes."""

import ctypes
import os
import platform

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8

NEVER = -1
"""For M_TRIM_THRESHOLD, as mallopt(3) has it."""

BFS_MAX_WIDTH = "400"
"""Of MLX's 20, by which it hands over one part of a batch whole before it begins the next one."""


def compute_side_by_side() -> None:
    """Let MLX hand over the shares of a batch in turn; before its first computation.

    `MLX_BFS_MAX_WIDTH` in the environment is left as it is.
    """
    os.environ.setdefault("MLX_BFS_MAX_WIDTH", BFS_MAX_WIDTH)


def prefer_memory() -> None:
    """Hand over a graph in MLX's own order, which holds the least memory, and less side by side.

    For gradient checkpointing: in the other order layers are computed again before their turn. It
    has an effect before MLX's first computation in this process alone.
    """
    if os.environ.get("MLX_BFS_MAX_WIDTH") == BFS_MAX_WIDTH:
        del os.environ["MLX_BFS_MAX_WIDTH"]


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, in one heap for all threads; whether it was done.

    The backend takes large arrays from `malloc`. glibc gives large ones back to the system, which
    clears their pages one by one when they are asked for again: half the time of Adam. The process
    stays as large as it once was.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: NEVER, M_ARENA_MAX: 1}
    taken = [mallopt(option, value) for option, value in wanted.items()]
    return all(taken)
