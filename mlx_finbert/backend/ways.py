"""The ways in which this machine can compute the same model, for `check` to compare them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mlx.core as mx

from mlx_finbert.backend import PLAIN, VARIABLE, is_plain

DISABLED = "MLX_DISABLE_COMPILE"
"""MLX's environment variable that turns `mx.compile` off."""


@dataclass(frozen=True)
class Way:
    """A device, a choice of the backend's functions, and whether `mx.compile` is used."""

    name: str
    device: mx.Device
    backend: str
    """The value of `MLX_FINBERT_BACKEND`."""
    compiled: bool

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Compute in this way inside the block.

        A model must be built and adapted inside it. Compiled functions are traced at their first
        call, which must be inside it too.
        """
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = self.backend
        if not self.compiled:
            mx.disable_compile()
        try:
            with mx.stream(self.device):
                yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
            if DISABLED not in os.environ:
                mx.enable_compile()


def own_way() -> Way:
    """The way in which all commands compute here."""
    device = mx.default_device()
    if device == mx.cpu:
        return Way(_path(is_plain()), device, PLAIN if is_plain() else "", True)
    return Way("Metal" if mx.metal.is_available() else "CUDA", device, "", True)


def reference_way() -> Way | None:
    """Another way, whose results must be the same; None if this machine has only one.

    For a GPU, it is MLX's CPU stream, and for a CPU on Linux, the other one of its two paths. It
    does not use `mx.compile`, for which a Mac would need Apple's command-line tools.
    """
    if mx.default_device() != mx.cpu:
        return Way("MLX's CPU stream", mx.Device(mx.cpu, 0), PLAIN, False)
    if sys.platform == "linux":
        other = not is_plain()
        return Way(_path(other), mx.default_device(), PLAIN if other else "", False)
    return None


def _path(plain: bool) -> str:
    if sys.platform != "linux":
        return "the CPU"
    return "the plain path on the CPU" if plain else "the Linux path on the CPU"
