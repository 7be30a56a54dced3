"""SHA-256 hashes of files and weights, in hexadecimal."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx


def file_sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(weights: Mapping[str, mx.array]) -> str:
    """Hash names and values, independently of the order of names and the layout in memory."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        # MLX's arrays support the buffer protocol, but its stubs do not declare this.
        buffer: Any = mx.contiguous(value)
        digest.update(memoryview(buffer))
    return digest.hexdigest()
