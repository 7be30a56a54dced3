"""What a run learns from its teacher."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.distillation.config import DistillationSettings
from mlx_finbert.distillation.logits import teacher_logits
from mlx_finbert.distillation.teacher import Teacher, require_comparable, require_other_folder
from mlx_finbert.models import Classifier


@dataclass
class Lesson:
    """The teacher's logits for the training rows, and the teacher if its states are compared."""

    logits: np.ndarray
    """float32 (N, num_labels), in the order of the training loader and of the student's labels."""
    teacher_sha256: str
    model: Classifier | None = None
    """The teacher; None unless its hidden states are compared."""


def lesson_of(
    settings: DistillationSettings,
    rows: LabelledTexts,
    loader: Loader,
    model: Classifier,
    tokenizer: Tokenizer,
    folder: Path,
    processes: mx.distributed.Group,
    check: Callable[[str], None],
) -> Lesson | None:
    """Open the teacher that the settings name and compute its logits; None without a teacher.

    Args:
        settings: the settings of the run.
        rows: the training rows, unlabelled ones included.
        loader: these rows, as the student reads them.
        model: the student.
        tokenizer: the student's.
        folder: the folder of the run, which keeps the logits.
        processes: the processes of the run.
        check: takes the teacher's hash, and refuses another one than that of the run to resume,
            before the teacher reads the texts.

    Raises:
        InputError: if the teacher cannot be used.
    """
    if settings.teacher is None:
        return None
    require_other_folder(settings.teacher, folder)
    teacher = Teacher.open(settings.teacher, model.args.labels)
    hidden = settings.distill_hidden
    if hidden != "none":
        require_comparable(teacher, model, tokenizer, rows.texts, loader.tokens, hidden)
    sha256 = teacher.sha256
    check(sha256)
    logits = teacher_logits(teacher, sha256, rows.texts, folder, processes)
    return Lesson(logits, sha256, None if hidden == "none" else teacher.model)
