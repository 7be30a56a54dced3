"""Measures an export's cost in accuracy on labelled texts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.inference import shortest_holding
from mlx_finbert.convert.coreml.saved import Function
from mlx_finbert.convert.coreml.verification import Verifier
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.inference import predict_proba


@dataclass
class Validation:
    """Accuracy of the model and of its packages on the same rows."""

    data: str
    rows: int
    model_accuracy: float
    package_accuracy: float
    agreement: float
    """Share of rows with the same label from both."""
    cut: int
    """Number of rows cut to the longest package; the model reads them up to its own limit."""
    notes: list[str]
    """Sentences on rows that were left out or could not be checked."""

    @property
    def gain(self) -> float:
        """Difference in accuracy, packages minus model, in percentage points."""
        return 100 * (self.package_accuracy - self.model_accuracy)

    def __str__(self) -> str:
        return (
            f"{self.data}, {self.rows:,} rows: accuracy {self.model_accuracy:.4f} in MLX,"
            f" {self.package_accuracy:.4f} from the packages ({self.gain:+.2f} points);"
            f" the same label for {100 * self.agreement:.1f}%"
            + "".join(f"; {note}" for note in self._cut_note() + self.notes)
        )

    def _cut_note(self) -> list[str]:
        return [f"{self.cut:,} rows were cut"] if self.cut else []


def validate(
    verifier: Verifier, functions: Mapping[int, Function], rows: LabelledTexts
) -> Validation:
    """Run the saved packages on labelled texts, each at the shortest length that holds it.

    Args:
        verifier: the export's verifier.
        functions: functions of the saved packages, by length.
        rows: labelled texts; their labels are matched by name.

    Raises:
        InputError: if the labels are not the model's.
    """
    reference, tokenizer = verifier.reference, verifier.tokenizer
    labels = rows.ids_in(reference.labels)
    lengths = sorted(functions)
    tokens = tokenize(tokenizer, rows.texts, lengths[-1])
    at = np.array([shortest_holding(n, lengths) for n in tokens.lengths])
    found = np.empty(len(rows), np.int64)
    for length in lengths:
        chosen = np.flatnonzero(at == length)
        if chosen.size:
            token_ids = [tuple(tokens[i].tolist()) for i in chosen.tolist()]
            outcome = verifier.infer(Evaluator(functions[length]), token_ids, length)
            found[chosen] = outcome.logits.argmax(axis=1)
    most = max(lengths[-1], verifier.description.max_length)
    expected = predict_proba(reference.model, tokenizer, rows.texts, max_length=most).argmax(axis=1)
    return Validation(
        data=rows.name,
        rows=len(rows),
        model_accuracy=float(np.mean(expected == labels)),
        package_accuracy=float(np.mean(found == labels)),
        agreement=float(np.mean(found == expected)),
        cut=tokens.truncated,
        notes=rows.notes,
    )
