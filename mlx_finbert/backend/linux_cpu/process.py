"""Process-wide settings for MLX's CPU backend on Linux: a fast BLAS, parallel work and memory.

The `mlx-cpu` wheel bundles the reference BLAS, which is about thirty times slower than MKL or
OpenBLAS. Its `libmlx.so` looks up `cblas_sgemm` in the global scope first, so MLX uses a fast
library that was loaded there before `mlx.core` was imported. The other settings are made before
MLX's first computation. On macOS MLX uses Metal and Accelerate, and nothing here runs.
"""

import ctypes
import errno
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from mlx_finbert.backend import is_plain
from mlx_finbert.errors import InputError, shown

NOT_FOUND = (
    "MLX's CPU backend will use its slow built-in BLAS: install a fast one with"
    " `pip install mkl` (x86_64) or `apt-get install libopenblas0-pthread`"
)
TOO_LATE = (
    "MLX's CPU backend uses its slow built-in BLAS: write `from mlx_finbert import load` before"
    " mlx.core is imported, so that a fast one can be loaded"
)

SHARES = 2
"""Number of parts into which a batch is split on the CPU, each with its own thread.

A constant instead of the number of cores, so that every machine computes the same parts.
"""

# The paths of Debian and Ubuntu, of Fedora, and of a build from source.
OPENBLAS = (
    "usr/lib/*/openblas-pthread/libopenblas.so.0",
    "usr/lib/*/libopenblas.so.0",
    "usr/lib64/libopenblas*.so.0",
    "usr/local/lib/libopenblas.so.0",
)

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8

NEVER = -1
"""Value of M_TRIM_THRESHOLD that disables trimming; see mallopt(3)."""

FAILED_BUILD = "[Compile::eval_cpu] Failed to compile"
"""The beginning of MLX's error where the compiler fails."""

BFS_MAX_WIDTH = "400"
"""Instead of MLX's default of 20, with which it schedules the parts of a batch one by one."""


def use_fast_blas() -> str | None:
    """Load MKL or OpenBLAS ahead of MLX's own BLAS; warn once if neither is available.

    Returns:
        The path of the loaded library; None on macOS, where none is needed, and if none was
        loaded.
    """
    if sys.platform != "linux" or _has_global_blas():
        return None
    if "mlx.core" in sys.modules:
        warnings.warn(TOO_LATE, RuntimeWarning, stacklevel=3)
        return None
    for path in _candidates():
        try:
            library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        _share_cores(library)
        return str(path)
    warnings.warn(NOT_FOUND, RuntimeWarning, stacklevel=3)
    return None


def _share_cores(library: ctypes.CDLL) -> None:
    """Divide the cores among the parts of a batch; on the plain path, a batch has one part.

    Environment variables would also change other libraries of the process.
    """
    # The number of threads must not change with the machine's load, since it changes rounding.
    if "MKL_DYNAMIC" not in os.environ and hasattr(library, "MKL_Set_Dynamic"):
        library.MKL_Set_Dynamic(0)
    chosen = {"MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"} & os.environ.keys()
    if chosen or is_plain():
        return
    for name in ("MKL_Set_Num_Threads", "openblas_set_num_threads"):
        if set_threads := getattr(library, name, None):
            set_threads(max(1, len(os.sched_getaffinity(0)) // SHARES))


def _has_global_blas() -> bool:
    """Whether the process already has a BLAS, for example by LD_PRELOAD."""
    return hasattr(ctypes.CDLL(None), "cblas_sgemm")


def _candidates() -> Iterator[Path]:
    yield from _mkl()
    for pattern in OPENBLAS:
        yield from sorted(Path("/").glob(pattern))


def _mkl() -> list[Path]:
    """`libmkl_rt.so.N` of the PyPI package `mkl`, at the place where pip installed it."""
    try:
        listed = files("mkl") or []
    except PackageNotFoundError:
        return []
    return [Path(f.locate()) for f in listed if f.name.startswith("libmkl_rt.so")]


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


def require_folder_of_kernels() -> None:
    """Refuse a temporary folder to which MLX cannot write the kernels that it builds.

    Raises:
        InputError: names the folder and the environment variables that help.
    """
    if "MLX_DISABLE_COMPILE" in os.environ:
        return
    kernels = folder_of_kernels()
    try:
        kernels.mkdir(exist_ok=True)
        problem = None if os.access(kernels, os.W_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        problem = error.strerror
    if problem:
        raise InputError(no_kernels(problem))


def folder_of_kernels() -> Path:
    """Return the folder in which MLX builds kernels."""
    # The order of C++'s std::filesystem::temp_directory_path.
    names = "TMPDIR", "TMP", "TEMP", "TEMPDIR"
    return Path(next((os.environ[name] for name in names if os.environ.get(name)), "/tmp")) / "mlx"


def kernel_problem(error: Exception) -> str | None:
    """Describe MLX's error where a kernel could not be built, as on a full disk; None for others.

    MLX's own message quotes the whole call of the compiler.
    """
    if FAILED_BUILD not in (told := str(error)):
        return None
    said = told.partition("the output is: ")[2] or told
    return no_kernels((said.partition("error: ")[2] or said).strip().partition("\n")[0])


def no_kernels(problem: str) -> str:
    """Say that kernels cannot be written, and what helps."""
    return (
        f"MLX cannot write the kernels that it builds to {folder_of_kernels()} ({shown(problem)}):"
        " set TMPDIR to a folder that can be written and has a few megabytes free, or"
        " MLX_DISABLE_COMPILE=1, which is slower"
    )
