"""Measures a student and its teacher on the same rows, and how fast each scores them."""

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np

from mlx_finbert.checkpoints.adapters import is_adapted, read_adapter_config
from mlx_finbert.checkpoints.files import ADAPTER_WEIGHTS, weight_files
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.distillation.teacher import Teacher, parameter_count
from mlx_finbert.evaluation.calibration import expected_calibration_error
from mlx_finbert.evaluation.metrics import Metrics, measure
from mlx_finbert.evaluation.paired import Answers, difference_intervals, drawn_figures
from mlx_finbert.inference.logits import Forward, softmax
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.models import Classifier
from mlx_finbert.report import Predictions
from mlx_finbert.report.student import DIFFERENCES, ModelFigures, StudentAndTeacher

TIMED_ROWS = 128
ROUNDS = 5
"""Timings of each model, in turns; the shortest counts, as other work only adds time."""


def compared_with_teacher(
    name: str,
    student: Classifier,
    tokenizer: Tokenizer,
    folder: Path,
    predictions: Predictions,
    temperature: float,
    interrupted: Event,
) -> StudentAndTeacher | None:
    """Measure the teacher on the rows of a student's predictions; None after Ctrl-C.

    Args:
        name: the user's name for the teacher.
        student: the trained model.
        tokenizer: the student's.
        folder: the student's, with its weights.
        predictions: the student's.
        temperature: the one of its calibration.
        interrupted: set by Ctrl-C.
    """
    teacher = Teacher.open(name, student.args.labels)
    texts = predictions.texts
    loader = teacher.loader(texts)
    ready, logits = Forward(teacher.model).logits_until(interrupted, loader, "teacher")
    if len(ready) < len(texts):
        return None
    both = [predictions.logits.astype(np.float64) / temperature, teacher.ordered(logits)]
    metrics = [measure(of, predictions.label_ids) for of in both]
    spaced = np.linspace(0, len(texts) - 1, min(len(texts), TIMED_ROWS)).astype(int)
    timed = [texts[i] for i in spaced]
    predictors = [Predictor(student, tokenizer), Predictor(teacher.model, teacher.tokenizer)]
    speeds = texts_per_second(predictors, timed)
    sizes = [weight_bytes(folder), weight_bytes(resolve(name))]
    figures = [
        ModelFigures(
            metrics[i].accuracy,
            metrics[i].macro_f1,
            expected_calibration_error(softmax(both[i]), predictions.label_ids),
            parameter_count(model),
            sizes[i],
            speeds[i],
        )
        for i, model in enumerate((student, teacher.model))
    ]
    predicted = [of.argmax(axis=1) for of in both]
    return StudentAndTeacher(
        name,
        len(texts),
        figures[0],
        figures[1],
        float((predicted[0] == predicted[1]).mean()),
        intervals(predictions.label_ids, predicted, metrics, len(student.args.labels)),
        len(timed),
        seen_rows(name, texts),
    )


def intervals(
    label_ids: np.ndarray,
    predicted: Sequence[np.ndarray],
    metrics: Sequence[Metrics],
    num_labels: int,
) -> dict[str, list[float]]:
    """95% intervals of the student's figures minus the teacher's, on the same draws of rows."""
    answers = [
        Answers(label_ids, of, found.losses, num_labels)
        for of, found in zip(predicted, metrics, strict=True)
    ]
    student, teacher = drawn_figures(answers)
    found = difference_intervals(teacher, student)
    return {name: found[name].tolist() for name in DIFFERENCES}


def texts_per_second(predictors: Sequence[Predictor], texts: Sequence[str]) -> list[float]:
    """How many texts each predictor scores in a second, tokenizing included.

    A first round, which compiles, is not timed. Then they take turns, so that both meet the same
    state of the machine.
    """
    seconds: list[list[float]] = [[] for _ in predictors]
    for number in range(ROUNDS + 1):
        for predictor, found in zip(predictors, seconds, strict=True):
            start = time.perf_counter()
            predictor(list(texts))
            if number:
                found.append(time.perf_counter() - start)
    return [len(texts) / min(found) for found in seconds]


def weight_bytes(folder: Path) -> int:
    """The size of the files with a model's weights; with adapters, those of the base model too."""
    if is_adapted(folder):
        adapted = read_adapter_config(folder)
        base = resolve(adapted.base_model, adapted.revision)
        return (folder / ADAPTER_WEIGHTS).stat().st_size + weight_bytes(base)
    return sum((folder / name).stat().st_size for name in weight_files(folder)[1])


def seen_rows(name: str, texts: Sequence[str]) -> int | None:
    """How many of the texts a model has seen in training; None if it does not record them."""
    seen = TrainingRun.of(name).seen
    return None if seen is None else int(np.count_nonzero(seen.holds(texts)))
