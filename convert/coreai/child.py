"""The process in which Apple's library works: a wrong type or a damaged file aborts it."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from types import TracebackType
from typing import Any, BinaryIO

from mlx_finbert.errors import InputError

WORKER = "mlx_finbert.convert.coreai.worker"

PACKAGE = "coreai-core"
INSTALL = 'pip install ".[coreai]"'

SAME_HASHES = {"PYTHONHASHSEED": "0", "SWIFT_DETERMINISTIC_HASHING": "1"}
"""Environment in which two exports are the same bytes, with the addresses that the worker fixes."""


class ChildError(Exception):
    """What Apple's library said, or how its process died, as one clause."""


def require_core_ai() -> None:
    """Refuse to go on without Apple's library.

    Raises:
        InputError: names the extra to install.
    """
    if find_spec("coreai") is None:
        raise InputError(f"Core AI needs Apple's package {PACKAGE}: {INSTALL}")


class Child:
    """Runs tasks of the worker in another process, one after the other.

    Raises:
        ChildError: from a task that failed, and if the process has died.
    """

    def __enter__(self) -> "Child":
        require_core_ai()
        self._said: BinaryIO = tempfile.TemporaryFile()
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            # -P: the folder in which the command runs must not hide a library.
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | SAME_HASHES | {"PYTHONPATH": path},
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        try:
            self._process.communicate()
        except BrokenPipeError:
            self._process.wait()
        finally:
            self._said.close()

    def __call__(self, task: str, *arguments: Any) -> Any:
        """Run a task: the name of a function of the worker, with its arguments."""
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump((task, arguments), self._process.stdin, protocol=5)
            self._process.stdin.flush()
            succeeded, result = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise ChildError(self._death()) from None
        if not succeeded:
            raise ChildError(result)
        return result

    def _death(self) -> str:
        code = self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"Apple's library {how}" + (f": {last}" if (last := self._last_words()) else "")

    def _last_words(self) -> str:
        """The first error that it printed; what follows is about the crash."""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").splitlines()
        said = (line.rpartition("error: ")[2] for line in lines if "error: " in line)
        return next(said, "")[:200]
