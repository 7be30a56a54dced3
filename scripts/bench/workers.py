"""Contenders in their own processes, loaded and warmed up, which sleep between rounds.

The OpenMP libraries of MKL and PyTorch disturb each other in one process. So PyTorch's workers must
not import mlx_finbert, which loads MKL, and neither must this module.
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
"""Full float32 precision, and no network."""
OURS_ALONE = {"MLX_BFS_MAX_WIDTH"}
"""Variables that `prepare_process` sets only for its own process."""

Answer = dict[str, Any]


class Contender(Protocol):
    """A loaded and warmed-up contender."""

    about: Answer
    """Information before the first round: device, threads, seconds of the warm-up."""

    def __call__(self, number: int) -> Answer:
        """Do the work of a round; the answer has its `seconds`."""
        ...


def serve(make: Callable[[], Contender]) -> None:
    """Run a worker: load, then answer each line of standard input with a line of JSON."""
    answers = sys.stdout
    # Keep the output of libraries apart from the answers.
    with contextlib.redirect_stdout(sys.stderr):
        contender = make()
        print(json.dumps(contender.about), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(contender(int(line))), file=answers, flush=True)


def environment() -> dict[str, str]:
    """The environment variables of a worker."""
    return {k: v for k, v in os.environ.items() if k not in OURS_ALONE} | ENVIRONMENT


class Worker:
    """The handle of a contender's process; `about` is its first answer."""

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
        """Run a round."""
        with contextlib.suppress(BrokenPipeError):  # it has died: `_answer` reports why
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
        """Close the worker's input, which ends it."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def workers(commands: Mapping[str, list[str]]) -> Iterator[dict[str, Worker]]:
    """Start a worker for each contender's command line, in sequence."""
    with contextlib.ExitStack() as stack:
        started = {}
        for name, argv in commands.items():
            started[name] = Worker(argv)
            stack.callback(started[name].close)
        yield started
