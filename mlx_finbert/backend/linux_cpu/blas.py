"""A fast BLAS for MLX's CPU backend on Linux.

The `mlx-cpu` wheel bundles the reference BLAS, some thirty times slower than MKL or OpenBLAS. Its
`libmlx.so` looks `cblas_sgemm` up in the global scope first, so a fast library loaded there before
`mlx.core` is imported takes over. On macOS MLX uses Metal and Accelerate: nothing here runs.
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
    "MLX's CPU backend will run on its slow built-in BLAS: install a fast one with"
    " `pip install mkl` (x86_64) or `apt-get install libopenblas0-pthread`"
)
TOO_LATE = (
    "MLX's CPU backend runs on its slow built-in BLAS: import mlx_finbert before mlx.core, so that"
    " a fast one can be put before it"
)


SHARES = 2
"""Into so many parts a batch is cut on the CPU, each computed by a thread of its own.

A constant, not the number of cores: the parts of a batch are the same on every machine.
"""

# Debian and Ubuntu, Fedora, and an own build.
OPENBLAS = (
    "usr/lib/*/openblas-pthread/libopenblas.so.0",
    "usr/lib/*/libopenblas.so.0",
    "usr/lib64/libopenblas*.so.0",
    "usr/local/lib/libopenblas.so.0",
)


def use_fast_blas() -> str | None:
    """Load MKL or OpenBLAS ahead of MLX's own BLAS; warn once where neither can be had.

    Returns:
        The path of the library that serves, or None on macOS, where none is needed, and where
        none was found.
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
    """Leave to each product the cores that the other parts of a batch do not need.

    Not by the environment, which other libraries of the process would heed too. On the plain path
    a batch has one part.
    """
    # The number of threads must not change with the machine's load: sums would round otherwise.
    if "MKL_DYNAMIC" not in os.environ and hasattr(library, "MKL_Set_Dynamic"):
        library.MKL_Set_Dynamic(0)
    chosen = {"MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"} & os.environ.keys()
    if chosen or is_plain():
        return
    for name in ("MKL_Set_Num_Threads", "openblas_set_num_threads"):
        if set_threads := getattr(library, name, None):
            set_threads(max(1, len(os.sched_getaffinity(0)) // SHARES))


def _has_global_blas() -> bool:
    """Whether the process already has one, through LD_PRELOAD for instance."""
    return hasattr(ctypes.CDLL(None), "cblas_sgemm")


def _candidates() -> Iterator[Path]:
    yield from _mkl()
    for pattern in OPENBLAS:
        yield from sorted(Path("/").glob(pattern))


def _mkl() -> list[Path]:
    """`libmkl_rt.so.N` of the PyPI package `mkl`, wherever pip put it."""
    try:
        listed = files("mkl") or []
    except PackageNotFoundError:
        return []
    return [Path(f.locate()) for f in listed if f.name.startswith("libmkl_rt.so")]
