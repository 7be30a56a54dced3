"""The checks of `mlx-finbert check`: whether this machine computes what it should, and how fast."""
