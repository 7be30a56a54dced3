"""Rows of token ids through a function of a package."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.coreml.rows import Row, padded_batches

Runner = Callable[[Mapping[str, np.ndarray]], dict[str, Any]]
"""Runs a function of a package: an `Evaluator`, or Core ML."""


@dataclass
class Outcome:
    """What a function gave for N rows."""

    probabilities: np.ndarray
    """float32 (N, num_labels), in the order of the model's labels."""
    logits: np.ndarray
    """float32 (N, num_labels)"""


@dataclass
class Inference:
    """How rows go into the packages of an export, and come out."""

    batch: int
    labels: list[str]
    pad_token_id: int
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    """Those that the packages have."""

    def __call__(
        self, runner: Runner, rows: Sequence[Row], length: int, pad_token_id: int | None = None
    ) -> Outcome:
        """The outputs for N rows of at most `length` token ids.

        `pad_token_id` is what padding holds, the usual id where None.

        Raises:
            EvaluationError: where the function does not give what was asked of it.
        """
        pad = self.pad_token_id if pad_token_id is None else pad_token_id
        probabilities, logits = [], []
        for feeds, count in padded_batches(rows, self.batch, length, pad):
            outputs = runner({name: feeds[name] for name in self.inputs})
            if not {"probabilities", "logits"} <= set(outputs):
                raise EvaluationError(f"its outputs are {sorted(outputs)}")
            probabilities.append(self._probabilities(outputs)[:count])
            logits.append(outputs["logits"][:count])
        return Outcome(np.concatenate(probabilities), np.concatenate(logits))

    def _probabilities(self, outputs: Mapping[str, Any]) -> np.ndarray:
        """(B, num_labels), where a classifier gives a label and a dictionary too."""
        found = outputs["probabilities"]
        if not isinstance(found, dict):
            return found
        if set(found) != set(self.labels):
            raise EvaluationError(f"its probabilities are of {sorted(found)}")
        label = outputs.get("label")
        if label not in found or found[label] < max(found.values()):
            raise EvaluationError(f"its label is {label!r}, but its probabilities are {found}")
        return np.array([[found[label] for label in self.labels]], np.float32)
