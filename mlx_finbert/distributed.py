"""Processes that share one run: `mlx.launch` starts them and MLX connects them.

    mlx.launch -n 2 --python $(which python) -m mlx_finbert.predict ...

Each process has a rank, counted from 0. A process without a launcher is a group of one.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.errors import InputError, first_line

BACKENDS = ("[ring]", "[mpi]", "[jaccl]", "[nccl]")
"""The beginnings of MLX's messages about lost connections."""


class LostRankError(InputError):
    """Another process of the run was lost, so this one cannot finish."""


def ranks() -> mx.distributed.Group:
    """Return the group of this run's processes; the first call connects them."""
    with guarded("start all processes together with mlx.launch"):
        return mx.distributed.init()


def barrier(group: mx.distributed.Group) -> None:
    """Wait until every process of the group gets here."""
    # Collectives are lazy: a process that does not evaluate them would block the others.
    mx.eval(mx.distributed.all_sum(mx.array(1), group=group))


def require_same(group: mx.distributed.Group, fingerprint: str, what: str) -> None:
    """Stop if the processes do not all have the same fingerprint.

    Args:
        group: All processes.
        fingerprint: A hash in hexadecimal.
        what: What was hashed, as the subject of the error message.

    Raises:
        InputError: If the fingerprints differ.
    """
    own = mx.array([int(fingerprint[:7], 16)])
    if mx.any(mx.distributed.all_gather(own, group=group) != own).item():
        raise InputError(f"{what} differ between the processes: give all of them the same files")


def path_of_first(group: mx.distributed.Group, path: Path | None) -> Path:
    """Return the first process's path in all processes: in the others as an absolute one.

    Args:
        group: All processes.
        path: The path in the first process, None in the others.
    """
    if path and group.size() == 1:
        return path
    own = np.frombuffer(os.fsencode(path.absolute()) if path else b"", np.uint8)
    (length,) = np.array(mx.distributed.all_sum(mx.array([len(own)]), group=group))
    # The others add zeros.
    letters = np.zeros(length, np.int32)
    letters[: len(own)] = own
    shared = np.array(mx.distributed.all_sum(mx.array(letters), group=group))
    return path or Path(os.fsdecode(shared.astype(np.uint8).tobytes()))


@contextmanager
def quiet() -> Iterator[None]:
    """Log only warnings and errors: the notes of a run are those of its first process."""
    library = logging.getLogger("mlx_finbert")
    level = library.level
    library.setLevel(logging.WARNING)
    try:
        yield
    finally:
        library.setLevel(level)


@contextmanager
def guarded(advice: str) -> Iterator[None]:
    """Replace MLX's exception for a lost process with a one-sentence error.

    Args:
        advice: What the user can do then.

    Raises:
        LostRankError: Instead of the RuntimeError of a lost connection.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith(BACKENDS):
            raise
        raise LostRankError(
            f"another process of this run has ended or cannot be reached ({first_line(error)}):"
            f" see its own message; {advice}"
        ) from error
