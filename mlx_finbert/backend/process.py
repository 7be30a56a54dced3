"""Settings of the whole process, made by commands before they import MLX."""

from mlx_finbert.backend.choice import check_backend
from mlx_finbert.backend.linux_cpu.blas import use_fast_blas


def prepare_process() -> None:
    """Prepare a process that trains, scores or converts, and does nothing else.

    On Linux's CPU a fast BLAS comes before MLX's own, freed memory stays with the process, and MLX
    computes the shares of a batch side by side. On Metal, what is in use stays in memory, and what
    is kept for reuse is bounded. An import changes nothing of this: a program that has work of its
    own calls `mlx_finbert.load`, which brings the BLAS alone.

    Raises:
        InputError: for a misspelt `MLX_FINBERT_BACKEND`.
    """
    check_backend()
    use_fast_blas()
    from mlx_finbert.backend.interface import on_linux_cpu

    if on_linux_cpu():
        from mlx_finbert.backend.linux_cpu.process import compute_side_by_side, keep_freed_memory

        compute_side_by_side()
        keep_freed_memory()
    hold_memory()


def hold_memory() -> None:
    """On Metal, keep what is in use in memory, and bound what is kept for reuse.

    As mlx-lm does, the limit is what the system recommends; batches of several lengths leave
    buffers of several sizes behind, for which a quarter of it is enough. Not tried on a Mac.
    """
    import mlx.core as mx

    if mx.metal.is_available():
        recommended = int(mx.device_info(mx.gpu)["max_recommended_working_set_size"])
        mx.set_wired_limit(recommended)
        mx.set_cache_limit(recommended // 4)
