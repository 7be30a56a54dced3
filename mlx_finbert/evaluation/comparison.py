"""Measures several models on the same rows, and the differences between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts
from mlx_finbert.evaluation.config import CompareSettings
from mlx_finbert.evaluation.differing_rows import DifferenceFile, predicted_names
from mlx_finbert.evaluation.evaluate import Evaluation, evaluate
from mlx_finbert.evaluation.metrics import plain
from mlx_finbert.evaluation.paired import (
    FIGURES,
    Answers,
    difference_intervals,
    drawn_figures,
    mcnemar,
)
from mlx_finbert.evaluation.shared_rows import SharedRows, load_shared_rows
from mlx_finbert.evaluation.text import ece_line, padded, short_names
from mlx_finbert.models import Classifier


class Measurable(Protocol):
    """A model that can be compared: a checkpoint in MLX, or a package of another format."""

    @property
    def name(self) -> str:
        """The user's name for the model."""

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the logits."""

    @property
    def run(self) -> TrainingRun:
        """The training run of the model."""

    def measure(self, rows: LabelledTexts, batch_size: int, max_length: int | None) -> Evaluation:
        """Measure the model; labels are matched by name."""


@dataclass
class Checkpoint:
    """A classifier in MLX, with its tokenizer and its training run."""

    name: str
    model: Classifier
    tokenizer: Tokenizer
    run: TrainingRun

    @property
    def labels(self) -> list[str]:
        return self.model.args.labels

    def measure(self, rows: LabelledTexts, batch_size: int, max_length: int | None) -> Evaluation:
        """Measure the model with `evaluate`."""
        return evaluate(
            self.model, self.tokenizer, rows, batch_size, max_length, self.name, show_progress=True
        )


@dataclass
class Difference:
    """A model against the first one, on the same rows."""

    model: str
    first: str
    values: dict[str, float]
    """This model's figure minus the first's, for each of `FIGURES` and `ece`."""
    intervals: dict[str, np.ndarray]
    """95% intervals for `FIGURES`; drawing rows would enlarge `ece`."""
    other_label: int
    """Number of rows with different labels."""
    only_first: int
    """Number of rows that only the first model has right."""
    only_this: int
    """Number of rows that only this model has right."""

    @property
    def p_value(self) -> float:
        """McNemar's exact test of the hypothesis that both are right equally often."""
        return mcnemar(self.only_first, self.only_this)

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain values, for JSON."""
        return {
            "model": self.model,
            "first": self.first,
            **self.values,
            "intervals_95": {name: plain(bounds) for name, bounds in self.intervals.items()},
            "rows_with_another_label": self.other_label,
            "right_by_first_alone": self.only_first,
            "right_by_model_alone": self.only_this,
            "mcnemar_p": self.p_value,
        }

    def lines(self, name: str, first: str) -> Iterator[str]:
        """The lines for a terminal, with the models' names in the form to print."""
        yield f"{name} minus {first}"
        yield f"{'':<12}value  95% interval"
        for figure, (low, high) in self.intervals.items():
            yield f"{figure:<10}{self.values[figure]:>+z7.4f}  {low:+z.4f} to {high:+z.4f}"
        yield ece_line(self.values["ece"], "+")
        yield (
            f"rows with another label: {self.other_label:,}; right by one alone:"
            f" {self.only_this:,} by {name}, {self.only_first:,} by {first}"
        )
        p = f"{self.p_value:.4f}" if self.p_value >= 1e-4 else f"{self.p_value:.1e}"
        yield f"McNemar's exact test: p = {p}"


@dataclass
class Comparison:
    """The figures of several models on the same rows, and their differences."""

    shared: SharedRows
    evaluations: list[Evaluation]
    """One for each model, in the order of the models."""
    differences: list[Difference]
    """One for each model but the first."""
    differing: np.ndarray
    """Positions of the rows that do not get the same label from all models, ascending."""

    @property
    def remarks(self) -> list[str]:
        """Sentences on limits of the figures; those on one model begin with its name."""
        first, *others = [evaluation.remarks for evaluation in self.evaluations]
        common = [remark for remark in first if all(remark in other for other in others)]
        return common + [
            f"{evaluation.model}: {remark}"
            for evaluation in self.evaluations
            for remark in evaluation.remarks
            if remark not in common
        ]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, for JSON.

        The entry of each model is that of `evaluate`, with only its own notes.
        """
        shared = self.shared
        seen = zip(self.evaluations, shared.seen_left_out, shared.seen_checked, strict=True)
        return {
            "data": shared.rows.name,
            "rows": len(shared.rows),
            "notes": shared.rows.notes,
            "models": [
                evaluation.to_dict()
                | {"seen_rows_left_out": left_out, "seen_rows_checked": checked}
                | {"notes": evaluation.remarks}
                for evaluation, left_out, checked in seen
            ],
            "differences": [difference.to_dict() for difference in self.differences],
            "rows_that_differ": len(self.differing),
        }

    def __str__(self) -> str:
        names = short_names([evaluation.model for evaluation in self.evaluations])
        blocks = [
            [self.shared.heading, *self.shared.rows.notes],
            model_lines(self.evaluations, names),
            *(
                difference.lines(name, names[0])
                for name, difference in zip(names[1:], self.differences, strict=True)
            ),
            self.remarks,
        ]
        return "\n\n".join(filter(None, map("\n".join, blocks)))


def model_lines(evaluations: Sequence[Evaluation], names: Sequence[str]) -> Iterator[str]:
    """A heading, then a line for each model with its figures."""
    width = max(5, *map(len, names)) + 2
    columns = (*FIGURES, "ece")
    yield " " * width + "".join(f"{column:>10}" for column in columns)
    for name, evaluation in zip(names, evaluations, strict=True):
        found = figures_of(evaluation)
        yield padded(name, width) + "".join(f"{found[column]:>10.4f}" for column in columns)


def run(settings: CompareSettings, models: Sequence[Measurable]) -> Comparison:
    """Compare opened models as the settings say, and write the rows where they differ.

    Raises:
        InputError: if the data cannot be used, or its labels are not those of a model.
    """
    runs = [model.run for model in models]
    shared = load_shared_rows(settings.load_texts, settings.rows_wanted(), runs)
    file = None
    if settings.output:
        target = Path(settings.output).expanduser()
        file = DifferenceFile(target, shared.rows, [model.name for model in models])
        file.refuse_source(Path(settings.named_data).expanduser())
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
        # Refuse labels now, not after minutes of work.
        rows.ids_in(model.labels)
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


def figures_of(evaluation: Evaluation) -> dict[str, float]:
    """The figures that are compared."""
    found = {name: getattr(evaluation.metrics, name) for name in FIGURES}
    return found | {"ece": evaluation.ece}
