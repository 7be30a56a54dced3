"""Fast layers and functions for MLX's CPU backend on Linux; see README.md in this folder."""
