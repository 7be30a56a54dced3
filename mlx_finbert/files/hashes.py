"""SHA-256, in hexadecimal, of files and of weights."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx


def file_sha256(path: Path) -> str:
    """Of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(weights: Mapping[str, mx.array]) -> str:
    """Of names and values, whatever the order of the names and the layout in memory."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        # MLX's arrays are buffers, of which its stubs say nothing.
        buffer: Any = mx.contiguous(value)
        digest.update(memoryview(buffer))
    return digest.hexdigest()
