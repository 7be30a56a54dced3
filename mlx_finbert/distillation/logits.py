"""A teacher's logits for the training texts: computed once, and kept in the folder of the run."""

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.files import read_safetensors
from mlx_finbert.checkpoints.save import write_safetensors
from mlx_finbert.distillation.teacher import Teacher
from mlx_finbert.distributed import require_same
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.inference.logits import Forward, require_finite

log = logging.getLogger(__name__)

LOGITS = "logits"
"""The name of the array in the file."""
PATTERN = "teacher_logits-*.safetensors"


def teacher_logits(
    teacher: Teacher,
    teacher_sha256: str,
    texts: Sequence[str],
    folder: Path,
    processes: mx.distributed.Group,
) -> np.ndarray:
    """The teacher's logits for N texts, float32 (N, num_labels), in the student's order.

    The first of several processes reads and writes the file; all get the same logits.

    Args:
        teacher: the teacher.
        teacher_sha256: its hash.
        texts: the texts.
        folder: the folder of the run.
        processes: the processes that share the work.

    Raises:
        InputError: if a logit is not finite, or the processes do not have the same teacher.
    """
    key = key_of(teacher_sha256, texts)
    require_same(processes, key, f"`teacher={teacher.name}` or its texts")
    path = folder / PATTERN.replace("*", key[:16])
    is_first = processes.rank() == 0
    shape = len(texts), len(teacher.order)
    found = read(path, shape) if is_first else None
    if is_anywhere(found, processes):
        log.info(f"teacher: the logits of {len(texts):,} texts are those in {path}")
        return shared(np.zeros(shape, np.float32) if found is None else found, processes)
    start = time.perf_counter()
    forward = Forward(teacher.model, processes)
    logits = teacher.ordered(forward.all_logits(teacher.loader(texts), "teacher"))
    require_finite(logits)
    seconds = time.perf_counter() - start
    log.info(f"teacher: the logits of {len(texts):,} texts were computed in {seconds:.0f} seconds")
    if is_first:
        write(path, logits)
    return logits


def key_of(teacher_sha256: str, texts: Sequence[str]) -> str:
    """A hexadecimal hash of a teacher and of texts in their order."""
    digest = hashlib.sha256(teacher_sha256.encode())
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()


def read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Read the logits of an earlier run; None if there are none that can be used."""
    if not path.is_file():
        return None
    try:
        found = np.array(read_safetensors(path)[LOGITS])
    except (InputError, KeyError):
        return None
    usable = found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all()
    return found if usable else None


def write(path: Path, logits: np.ndarray) -> None:
    """Write logits to a file, and remove those of another teacher or of other texts."""
    others = [other.name for other in path.parent.glob(PATTERN)]
    with replacing(path.parent, others) as part:
        write_safetensors({LOGITS: mx.array(logits)}, part / path.name)


def is_anywhere(found: np.ndarray | None, processes: mx.distributed.Group) -> bool:
    """Whether a process has the logits."""
    return bool(mx.distributed.all_sum(mx.array(int(found is not None)), group=processes).item())


def shared(logits: np.ndarray, processes: mx.distributed.Group) -> np.ndarray:
    """The logits of the first process, in all processes; zeros come from the others."""
    if processes.size() == 1:
        return logits
    return np.array(mx.distributed.all_sum(mx.array(logits), group=processes))
