"""Keeps PyTorch out of a command's process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_hidden() -> Iterator[None]:
    """Block imports of PyTorch inside the block, unless it was imported before.

    coremltools imports it if it is installed, which takes 3 seconds and 340 MB. Only commands may
    do this: in a library it would break the caller's own conversions.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # Python's mark of a blocked module.
    try:
        yield
    finally:
        del sys.modules["torch"]
