"""Process-wide settings, which commands make before they import MLX."""

import sys

from mlx_finbert.backend import check_backend
from mlx_finbert.backend.linux_cpu.process import (
    compute_side_by_side,
    keep_freed_memory,
    kernel_problem,
    prefer_memory,
    require_folder_of_kernels,
    use_fast_blas,
)

__all__ = ["hold_memory", "kernel_problem", "prefer_memory", "prepare_process", "use_fast_blas"]


def prepare_process() -> None:
    """Prepare a process that only trains, predicts or converts.

    On a Linux CPU, load a fast BLAS ahead of MLX's own, keep freed memory in the process, and let
    MLX compute the shares of a batch in parallel. On Metal, keep memory in use resident, and limit
    the cache. Importing mlx_finbert does none of this: in other programs, `mlx_finbert.load` only
    loads the BLAS.

    Raises:
        InputError: for an unknown value of `MLX_FINBERT_BACKEND`, and for a temporary folder to
            which MLX cannot write its kernels.
    """
    check_backend()
    use_fast_blas()
    from mlx_finbert.backend.interface import on_linux_cpu

    if sys.platform == "linux":
        require_folder_of_kernels()
    if on_linux_cpu():
        compute_side_by_side()
        keep_freed_memory()
    hold_memory()


def hold_memory() -> None:
    """On Metal, keep memory in use resident, and limit the cache of free buffers.

    The limit is what the system recommends, as in mlx-lm. Batches of different lengths leave
    buffers of different sizes in the cache, for which a quarter of the limit is enough. Not tested
    on a Mac.
    """
    import mlx.core as mx

    if mx.metal.is_available():
        recommended = int(mx.device_info(mx.gpu)["max_recommended_working_set_size"])
        mx.set_wired_limit(recommended)
        mx.set_cache_limit(recommended // 4)
