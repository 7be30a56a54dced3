"""The processes that share one piece of work: `mlx.launch` starts them, MLX connects them.

    mlx.launch -n 2 --python $(which python) -m mlx_finbert.predict ...

Each process has a rank from 0. A process without a launcher is a group of one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

from mlx_finbert.errors import InputError, first_line

BACKENDS = ("[ring]", "[mpi]", "[jaccl]", "[nccl]")
"""How MLX's messages on lost connections begin."""


class LostRankError(InputError):
    """Another process of the run has gone, so that this one cannot finish."""


def ranks() -> mx.distributed.Group:
    """The processes of this run, with `rank()` and `size()`; connects them at the first call."""
    with guarded("start all processes together with mlx.launch"):
        return mx.distributed.init()


def barrier(group: mx.distributed.Group) -> None:
    """Wait until every process of the group is here."""
    # Collectives are lazy: a process that does not evaluate its own would hold up the others.
    mx.eval(mx.distributed.all_sum(mx.array(1), group=group))


def require_same(group: mx.distributed.Group, fingerprint: str, what: str) -> None:
    """Refuse to go on where the processes do not have the same.

    Args:
        group: all processes.
        fingerprint: a hash in hexadecimal.
        what: what was hashed, for the sentence.
    """
    own = mx.array([int(fingerprint[:7], 16)])
    if mx.any(mx.distributed.all_gather(own, group=group) != own).item():
        raise InputError(f"{what} differ between the processes: give all of them the same files")


@contextmanager
def guarded(advice: str) -> Iterator[None]:
    """One sentence in the place of MLX's exception where another process has gone.

    Args:
        advice: what to do then.

    Raises:
        LostRankError: in the place of the RuntimeError of a lost connection.
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
