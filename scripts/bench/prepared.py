"""Prepare the process for MLX, as commands do; import this module before MLX."""

from mlx_finbert.backend.process import prepare_process

prepare_process()
