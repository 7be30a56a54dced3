"""The process in which Apple's library works: a wrong type or a damaged file aborts it."""

import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from mlx_finbert.errors import InputError
from mlx_finbert.files.space import FULL

WORKER = "mlx_finbert.convert.coreai.worker"

ERROR = re.compile("error: ", re.IGNORECASE)
"""What Apple's library, LLVM and Python print before an error."""

PACKAGE = "coreai-core"
INSTALL = 'pip install ".[coreai]"'

DEATHS: dict[int, str] = {
    signal.SIGKILL: ", as when memory runs out",
    signal.SIGBUS: ", as when the disk of temporary files is full",
}

SAME_HASHES = {"PYTHONHASHSEED": "0", "SWIFT_DETERMINISTIC_HASHING": "1"}
"""Environment in which two exports are the same bytes, with the addresses that the worker fixes."""


class ChildError(Exception):
    """What Apple's library said, or how its process died, as one clause."""

    def __init__(self, clause: str, errno: int | None = None) -> None:
        super().__init__(clause)
        self.errno = errno
        """The number of the system's error, where it was one."""


def require_core_ai() -> None:
    """Refuse to go on without Apple's library.

    Raises:
        InputError: names the extra to install.
    """
    if find_spec("coreai") is None:
        raise InputError(f"Core AI needs Apple's package {PACKAGE}: {INSTALL}")


def temporary_folder() -> Path:
    """The folder of temporary files.

    Raises:
        InputError: if there is none that can be written.
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        raise InputError(
            "`TMPDIR` and the system's folders for temporary files cannot be written: free some"
            " space, or set `TMPDIR` to another folder"
        ) from None


class Child:
    """Runs tasks of the worker in another process, one after the other.

    Raises:
        ChildError: from a task that failed, and if the process has died.
    """

    def __enter__(self) -> "Child":
        require_core_ai()
        # The library leaves there what it makes of an asset, as large as the asset, if it dies.
        self._own = tempfile.TemporaryDirectory(
            prefix="mlx-finbert-", dir=temporary_folder(), ignore_cleanup_errors=True
        )
        self._said: BinaryIO = tempfile.TemporaryFile(dir=self._own.name)
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            # -P: the folder in which the command runs must not hide a library.
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | SAME_HASHES | {"PYTHONPATH": path, "TMPDIR": self._own.name},
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
            self._own.cleanup()

    def __call__(self, task: str, *arguments: Any) -> Any:
        """Run a task: the name of a function of the worker, with its arguments."""
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump((task, arguments), self._process.stdin, protocol=5)
            self._process.stdin.flush()
            succeeded, result = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise self._death() from None
        if not succeeded:
            raise ChildError(*result)
        return result

    def _death(self) -> ChildError:
        code = self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        how += DEATHS.get(-code, "")
        last = self._last_words()
        # LLVM ends the process if it cannot write a file.
        full = next((number for number in FULL if os.strerror(number) in last), None)
        return ChildError(f"Apple's library {how}" + (f": {last}" if last else ""), full)

    def _last_words(self) -> str:
        """The first error that it printed; what follows is about the crash."""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").splitlines()
        said = (ERROR.split(line)[-1] for line in lines if ERROR.search(line))
        return next(said, "")[:200]
