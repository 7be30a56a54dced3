"""Many short trainings in one process: what they leave in memory, open files and threads."""

import gc
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from limits import resident
from materials import SHORT_RUN, csv_of, model

FIRST = 20
"""The training after which caches are full; later ones are compared with it."""
MORE_MEMORY = 1.10


@dataclass(frozen=True)
class Left:
    """What a process holds after a training."""

    training: int
    memory: int
    files: int
    threads: int

    @classmethod
    def now(cls, training: int) -> "Left":
        gc.collect()
        files, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
        return cls(training, resident(), files, threads)

    def __str__(self) -> str:
        return f"{self.training:>10}{self.memory / 1e6:>12.1f}{self.files:>12}{self.threads:>10}"


def soak(trainings: int, root: Path) -> tuple[str, list[str]]:
    """Train so often, and compare the last training with the first ones.

    Returns:
        A table, and what is wrong.
    """
    import mlx_finbert

    start = root / "start"
    start.mkdir()
    model(start)
    (root / "news.csv").write_bytes(csv_of(60))
    found = []
    for number in range(1, trainings + 1):
        out = root / f"run-{number}"
        mlx_finbert.fine_tune(str(start), str(root / "news.csv"), output_dir=str(out), **SHORT_RUN)
        shutil.rmtree(out)
        found.append(Left.now(number))
    first = found[min(FIRST, trainings // 2) - 1]
    lines = [f"{'training':>10}{'memory MB':>12}{'open files':>12}{'threads':>10}"]
    shown = {1, first.training, trainings, *range(50, trainings, 50)}
    lines += [str(left) for left in found if left.training in shown]
    return "\n".join(lines), faults(first, found[-1])


def faults(first: Left, last: Left) -> Sequence[str]:
    """Say what has grown from one training to a later one."""
    told = []
    if last.memory > MORE_MEMORY * first.memory:
        told.append(f"memory grew by {last.memory / first.memory - 1:.0%}")
    for name in ("files", "threads"):
        if getattr(last, name) > getattr(first, name):
            told.append(f"{getattr(last, name) - getattr(first, name)} more {name}")
    return told
