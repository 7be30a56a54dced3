"""Layers and functions that are fast on MLX's CPU backend for Linux; see README.md here."""
