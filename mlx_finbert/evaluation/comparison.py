"""The figures of several models on the same rows, and their differences from the first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlx_finbert.evaluation.evaluate import Evaluation
from mlx_finbert.evaluation.metrics import plain
from mlx_finbert.evaluation.paired import FIGURES, mcnemar
from mlx_finbert.evaluation.shared_rows import SharedRows
from mlx_finbert.evaluation.text import columns_of, ece_line, padded, short_names


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
    width = max(5, *map(columns_of, names)) + 2
    columns = (*FIGURES, "ece")
    yield " " * width + "".join(f"{column:>10}" for column in columns)
    for name, evaluation in zip(names, evaluations, strict=True):
        found = figures_of(evaluation)
        yield padded(name, width) + "".join(f"{found[column]:>10.4f}" for column in columns)


def figures_of(evaluation: Evaluation) -> dict[str, float]:
    """The figures that are compared."""
    found = {name: getattr(evaluation.metrics, name) for name in FIGURES}
    return found | {"ece": evaluation.ece}
