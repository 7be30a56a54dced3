"""Prepares the process for MLX, as commands do: to be imported before it."""

from mlx_finbert.backend.process import prepare_process

prepare_process()
