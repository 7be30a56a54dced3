"""A fast BLAS for MLX's CPU backend on Linux.

The `mlx-cpu` wheel bundles the reference BLAS, which is about thirty times slower than MKL or
OpenBLAS. Its `libmlx.so` looks up `cblas_sgemm` in the global scope first, so MLX uses a fast
library that was loaded there before `mlx.core` was imported. On macOS MLX uses Metal and
Accelerate, and nothing here runs.
"""

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from mlx_finbert.backend.choice import is_plain

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
