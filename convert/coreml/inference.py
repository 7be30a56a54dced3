"""Runs rows of token ids through a function of a package."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.coreml.rows import Row, padded_batches

Runner = Callable[[Mapping[str, np.ndarray]], dict[str, Any]]
"""A callable that runs a function of a package: an `Evaluator`, or Core ML."""


@dataclass
class Outcome:
    """The outputs of a function for N rows."""

    probabilities: np.ndarray
    """float32 (N, num_labels), in the order of the model's labels."""
    logits: np.ndarray
    """float32 (N, num_labels)"""


@dataclass
class Inference:
    """Feeds rows to the packages of an export and collects their outputs."""

    batch: int
    labels: list[str]
    pad_token_id: int
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    """The inputs of the packages."""

    def __call__(
        self, runner: Runner, rows: Sequence[Row], length: int, pad_token_id: int | None = None
    ) -> Outcome:
        """Compute the outputs for N rows of at most `length` token ids.

        `pad_token_id` is the id that fills the padding; None for the usual one.

        Raises:
            EvaluationError: if the function does not return the expected outputs.
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
        """The probabilities (B, num_labels), also from a classifier's label and dictionary."""
        found = outputs["probabilities"]
        if not isinstance(found, dict):
            return found
        if set(found) != set(self.labels):
            raise EvaluationError(f"its probabilities are for {sorted(found)}")
        label = outputs.get("label")
        if label not in found or found[label] < max(found.values()):
            raise EvaluationError(f"its label is {label!r}, but its probabilities are {found}")
        return np.array([[found[label] for label in self.labels]], np.float32)
