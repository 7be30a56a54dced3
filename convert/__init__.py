"""Commands that convert between model formats, and `mlx_finbert.export_coreml`."""
