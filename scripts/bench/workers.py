"""A contender in a process of its own: loaded and warm, asleep until it is asked.

MKL's and PyTorch's OpenMP disturb each other in one process, so a worker of PyTorch's must not
import mlx_finbert, which brings MKL; nor must this module.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

ENVIRONMENT = {"MLX_ENABLE_TF32": "0", "HF_HUB_OFFLINE": "1"}
"""Products of float32 in float32, and no network."""
OURS_ALONE = {"MLX_BFS_MAX_WIDTH"}
"""What `prepare_process` sets for its own process: no default of PyTorch's."""

Answer = dict[str, Any]


class Contender(Protocol):
    """Loaded and warm."""

    about: Answer
    """What is known before the first round: device, threads, seconds of the warm-up."""

    def __call__(self, number: int) -> Answer:
        """Do the work of a round; the answer holds its `seconds`."""
        ...


def serve(make: Callable[[], Contender]) -> None:
    """In the worker: load, then answer each line of standard input with a line of JSON."""
    answers = sys.stdout
    # Libraries print; what they print must not be taken for an answer.
    with contextlib.redirect_stdout(sys.stderr):
        contender = make()
        print(json.dumps(contender.about), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(contender(int(line))), file=answers, flush=True)


def environment() -> dict[str, str]:
    """Of a worker."""
    return {k: v for k, v in os.environ.items() if k not in OURS_ALONE} | ENVIRONMENT


class Worker:
    """A contender seen from outside; `about` is its first answer."""

    def __init__(self, argv: list[str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (open as long as the process)
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(),
        )
        self.about = self._answer()

    def __call__(self, number: int) -> Answer:
        """A round."""
        with contextlib.suppress(BrokenPipeError):  # it has died: `_answer` says of what
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Answer:
        if line := self._process.stdout.readline():
            return json.loads(line)
        status = self._process.wait()
        self._errors.seek(0)
        sys.exit(f"{self._errors.read()}{self._process.args} ended with status {status}")

    def close(self) -> None:
        """The end of its input is its end."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def workers(commands: Mapping[str, list[str]]) -> Iterator[dict[str, Worker]]:
    """A warm worker for each contender's command line, one started after the other."""
    with contextlib.ExitStack() as stack:
        started = {}
        for name, argv in commands.items():
            started[name] = Worker(argv)
            stack.callback(started[name].close)
        yield started
