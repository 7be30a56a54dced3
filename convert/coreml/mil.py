"""Imports coremltools without its messages."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator

from mlx_finbert.errors import InputError

# coremltools imports transformers, which warns of a missing PyTorch.
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence coremltools inside the block.

    This hides its progress bars, and warnings about untested library versions, about the runtime
    that only macOS has, and about overflow in its own passes.
    """
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        logger.setLevel(level)


try:
    with quiet():
        import coremltools as ct
        import coremltools.optimize.coreml as cto
        from coremltools.converters.mil import Builder as mb
        from coremltools.converters.mil.mil import Program, Var, get_new_symbol, types
        from coremltools.converters.mil.mil.types.symbolic import is_symbolic
        from coremltools.proto import MIL_pb2, Model_pb2
except ImportError as error:
    raise InputError(
        f"coremltools cannot be imported ({error}): pip install 'coremltools>=9.0'"
    ) from error

__all__ = [
    "MIL_pb2", "Model_pb2", "Program", "Var", "ct", "cto", "get_new_symbol", "is_symbolic", "mb",
    "quiet", "types",
]  # fmt: skip
