"""Keeping PyTorch out of a process of ours."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_hidden() -> Iterator[None]:
    """Inside the block, PyTorch cannot be imported, unless it was before.

    coremltools imports it where it is installed, which takes 3 seconds and 340 MB. For commands
    alone: a library that did this would break its caller's own conversions.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # Python's mark of a barred module.
    try:
        yield
    finally:
        del sys.modules["torch"]
