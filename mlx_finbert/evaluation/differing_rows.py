"""The file of rows that several models label differently."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.tables.writers import WRITERS
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.evaluate import Evaluation
from mlx_finbert.files.atomic import replaced
from mlx_finbert.files.paths import require_room
from mlx_finbert.inference.logits import softmax
from mlx_finbert.inference.scored_rows import rounded
from mlx_finbert.inference.table import is_same_file
from mlx_finbert.labels import canonical


class DifferenceFile:
    """A table with a line for each row that does not get the same label from all models.

    Its columns are `row`, the data's other columns, `text`, `true_label` and, for each model,
    `label_MODEL` and `probability_MODEL`, the probability of that label. A column of the data with
    the same name as another is renamed to `data_NAME`.

    Args:
        target: `.csv`, `.tsv` or `.jsonl`.
        rows: the compared rows.
        models: names of the models.

    Raises:
        InputError: if the target is a folder, or a value of the data cannot be written to it.
    """

    def __init__(self, target: Path, rows: LabelledTexts, models: Sequence[str]) -> None:
        require_room(target, "output")
        if target.is_dir():
            raise InputError(f"`output` {target} is a folder: give a file")
        self.target = target
        self.rows = rows
        self.models = models
        added: dict[str, type] = {"true_label": str}
        for model in models:
            added |= {f"label_{model}": str, f"probability_{model}": float}
        others = dict.fromkeys(name for row in rows.others or () for name in row)
        self.names = renamed([*others], ("row", "text", *added))
        """The data's other columns, by their names in the data."""
        self.writer = WRITERS[target.suffix.lower()](added)
        self.writer.check(
            [self._source(i) for i in range(len(rows))],
            lambda i: f"{rows.name}, row {rows.numbers[i]}",
        )

    def refuse_source(self, data: Path) -> None:
        """Refuse to replace the data that is read."""
        if is_same_file(self.target, data):
            raise InputError(f"`output` {self.target} is the `data` file: give another file")

    def write(self, evaluations: Sequence[Evaluation], differing: np.ndarray) -> None:
        """Write the rows at these positions; an earlier file is replaced as a whole."""
        predicted = predicted_names(evaluations)
        probabilities = [softmax(evaluation.logits).max(axis=1) for evaluation in evaluations]
        with replaced(self.target) as part, self.writer.open(part) as write:
            for i in differing.tolist():
                label = self.rows.label_names[self.rows.label_ids[i]]
                row = self._source(i) | {"true_label": label}
                for model, names, values in zip(self.models, predicted, probabilities, strict=True):
                    row[f"label_{model}"] = names[i]
                    row[f"probability_{model}"] = rounded(values[i])
                write([row])

    def _source(self, i: int) -> dict[str, Any]:
        """The columns of the data, without the label."""
        other = self.rows.others[i] if self.rows.others else {}
        values = {new: other.get(name) for name, new in self.names.items()}
        return {"row": int(self.rows.numbers[i]), **values, "text": self.rows.texts[i]}


def predicted_names(evaluations: Sequence[Evaluation]) -> list[np.ndarray]:
    """The label that each model gives to each row, object (N,).

    A label has one spelling for all models: that of the data, or of the first model that has it.
    """
    rows = evaluations[0].rows
    spelled: dict[str, str] = {}
    for label in (*rows.label_names, *(name for found in evaluations for name in found.labels)):
        spelled.setdefault(canonical(label), label)
    return [
        np.array([spelled[canonical(label)] for label in found.labels], dtype=object)[
            found.logits.argmax(axis=1)
        ]
        for found in evaluations
    ]


def renamed(names: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """Put `data_` before the names that are taken, until they are not."""
    found = {}
    for name in names:
        new = name
        while new in taken or (new != name and new in names):
            new = f"data_{new}"
        found[name] = new
    return found
