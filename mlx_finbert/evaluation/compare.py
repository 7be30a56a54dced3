"""Measures several models on the same rows."""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from mlx_finbert.evaluation.comparison import Comparison, Difference, figures_of
from mlx_finbert.evaluation.config import CompareSettings
from mlx_finbert.evaluation.differing_rows import DifferenceFile, predicted_names
from mlx_finbert.evaluation.evaluate import Evaluation
from mlx_finbert.evaluation.measurable import Measurable
from mlx_finbert.evaluation.paired import Answers, difference_intervals, drawn_figures
from mlx_finbert.evaluation.shared_rows import SharedRows, load_shared_rows
from mlx_finbert.files.folder_lock import claimed_file
from mlx_finbert.files.paths import local_path


def run(settings: CompareSettings, models: Sequence[Measurable]) -> Comparison:
    """Compare opened models as the settings say, and write the rows where they differ.

    Raises:
        InputError: if the data cannot be used, or its labels are not those of a model.
    """
    runs = [model.run for model in models]
    shared = load_shared_rows(settings.load_texts, settings.rows_wanted(), runs)
    file = None
    if settings.output:
        target = local_path(settings.output)
        file = DifferenceFile(target, shared.rows, [model.name for model in models])
        file.refuse_source(local_path(settings.named_data))
    held = claimed_file(file.target, "name another `output`") if file else nullcontext()
    with held:
        comparison = compare(models, shared, settings.batch_size, settings.max_length)
        if file:
            file.write(comparison.evaluations, comparison.differing)
    return comparison


def compare(
    models: Sequence[Measurable],
    shared: SharedRows,
    batch_size: int = 32,
    max_length: int | None = None,
) -> Comparison:
    """Measure models on the same rows; the first is the one that the others are compared with.

    Args:
        models: at least two.
        shared: the rows, from `shared_rows`.
        batch_size: rows computed together.
        max_length: cut rows to this number of tokens; None for each model's own limit.

    Raises:
        InputError: if a row has a label that a model lacks, or max_length is out of range.
        KeyboardInterrupt: after Ctrl-C, since rows that one model has not read compare nothing.
    """
    rows = shared.rows
    for model in models:
        # Refuse now what would fail after minutes of work.
        model.check(rows, max_length)
    evaluations = []
    for model in models:
        evaluations.append(model.measure(rows, batch_size, max_length))
        if evaluations[-1].interrupted:
            raise KeyboardInterrupt
    predicted = predicted_names(evaluations)
    differ = np.any([names != predicted[0] for names in predicted[1:]], axis=0)
    return Comparison(
        shared, evaluations, differences(evaluations, predicted), np.flatnonzero(differ)
    )


def differences(
    evaluations: Sequence[Evaluation], predicted: Sequence[np.ndarray]
) -> list[Difference]:
    """Compute the differences of all models from the first, with one set of draws.

    Args:
        evaluations: those of the models.
        predicted: the names of the labels that each model predicted.
    """
    answers = [answers_of(evaluation) for evaluation in evaluations]
    drawn = drawn_figures(answers)
    first, right = figures_of(evaluations[0]), answers[0].right
    return [
        Difference(
            evaluations[i].model,
            evaluations[0].model,
            {name: value - first[name] for name, value in figures_of(evaluations[i]).items()},
            difference_intervals(drawn[0], drawn[i]),
            int(np.count_nonzero(predicted[i] != predicted[0])),
            int(np.count_nonzero(right & ~answers[i].right)),
            int(np.count_nonzero(answers[i].right & ~right)),
        )
        for i in range(1, len(evaluations))
    ]


def answers_of(evaluation: Evaluation) -> Answers:
    """The answers behind an evaluation, row by row."""
    return Answers(
        evaluation.rows.ids_in(evaluation.labels),
        evaluation.logits.argmax(axis=1),
        evaluation.metrics.losses,
        len(evaluation.labels),
    )
