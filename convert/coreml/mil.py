"""coremltools, imported without its chatter."""

import logging
import os

from mlx_finbert.errors import InputError

# It warns of libraries that it was not tested with and of the runtime that only macOS has, draws a
# progress bar for each of its passes, and imports transformers, which warns of a missing PyTorch.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
logging.getLogger("coremltools").setLevel(logging.ERROR)

try:
    import coremltools as ct
    import coremltools.optimize.coreml as cto
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import Program, Var, types
    from coremltools.proto import MIL_pb2, Model_pb2
except ImportError as error:
    raise InputError(
        f"coremltools cannot be imported ({error}): pip install 'coremltools>=9.0'"
    ) from error

__all__ = ["MIL_pb2", "Model_pb2", "Program", "Var", "ct", "cto", "mb", "types"]
