"""Holding a saved package against the MLX model, on any machine.

The file is read from disk and run twice over the same texts: as it is, and with the model's own
float32 weights in the place of the file's and nothing rounded. The second run is the fp32 twin of
the graph that was saved: it must agree to 1e-5, which shows a wrong epsilon, activation or mask
that half precision would hide. That the file's weights are the model's is read back apart.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.figures import Figures, psnr, tolerance_faults
from mlx_finbert.convert.coreml.graph import build, constants
from mlx_finbert.convert.coreml.on_mac import LEAST_PSNR, CoreML
from mlx_finbert.convert.coreml.operations import CONSTANTS, UnsupportedOperationError
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.package import function_name
from mlx_finbert.convert.coreml.readback import read_back
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.rows import Row, padded_batches, token_rows, verification_texts
from mlx_finbert.convert.coreml.saved import Function, SavedPackage
from mlx_finbert.convert.coreml.structure import function_faults, package_faults
from mlx_finbert.convert.coreml.vocabulary import Vocabulary
from mlx_finbert.tokenizer import Tokenizer

Runs = Callable[[Mapping[str, np.ndarray]], dict[str, Any]]
"""Runs a function of a package: an `Evaluator`, or Core ML."""


@dataclass
class Outcome:
    """What a function gave for N rows."""

    probabilities: np.ndarray
    """float32 (N, num_labels), in the order of the model's labels."""
    logits: np.ndarray
    """float32 (N, num_labels)"""


@dataclass
class Verifier:
    """A model, and how its packages were asked for."""

    reference: Reference
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    options: ExportOptions
    seen: dict[tuple[bool, Row], np.ndarray] = field(default_factory=dict)
    """Probabilities of rows at the first length that held them, in float32 and as saved."""

    def verify(self, package: SavedPackage, lengths: Sequence[int]) -> list[Figures]:
        """Figures of each function of a package, faults among them.

        Args:
            package: from disk.
            lengths: of its functions.
        """
        faults = list(package_faults(package, self.reference, self.vocabulary, self.options))
        found = []
        for length in lengths:
            name = function_name(length, self.options)
            if name not in package.functions:
                figures = Figures(length, {}, faults=[f"it has no function {name}"])
            else:
                figures = self._verify_function(package.functions[name], length)
                if sys.platform == "darwin" and not figures.faults:
                    self._run_core_ml(package.path, figures)
            found.append(figures)
        found[0].faults = faults + found[0].faults
        return found

    def _verify_function(self, function: Function, length: int) -> Figures:
        kinds = Counter(op.kind for op in function.operations if op.kind not in CONSTANTS)
        figures = Figures(length, dict(kinds.most_common()))
        expected = constants(build(self.reference.network, length, self.options))
        figures.faults += function_faults(function, length, self.reference.labels, self.options)
        figures.faults += read_back(function, expected, self.options)
        try:
            self._measure(function, figures)
        except (UnsupportedOperationError, LookupError, TypeError, ValueError) as error:
            figures.faults.append(f"it cannot be run: {error}")
        else:
            figures.faults += tolerance_faults(figures, self.options)
        return figures

    def _run_core_ml(self, path: Path, figures: Figures) -> None:
        """What Core ML itself makes of the texts, and where."""
        name = function_name(figures.length, self.options)
        core_ml = CoreML(path, name if self.options.multifunction else None)
        texts = verification_texts(self.tokenizer, figures.length)
        rows = token_rows(self.tokenizer, list(texts.values()), figures.length)
        expected = self.reference.probabilities(self.reference.logits(rows))
        found = self.run(core_ml, rows, figures.length).probabilities
        noise = psnr(found, expected)
        devices = ", ".join(f"{n} {device}" for device, n in core_ml.devices().most_common())
        figures.core_ml = (
            f"Core ML on this Mac: off by {largest(found - expected):.1e}, {noise:.0f} dB;"
            f" operations by device: {devices}"
        )
        if not noise >= LEAST_PSNR:
            figures.faults.append(f"Core ML gives {noise:.1f} dB PSNR, below {LEAST_PSNR:.0f} dB")

    def _measure(self, function: Function, figures: Figures) -> None:
        texts = verification_texts(self.tokenizer, figures.length)
        rows = token_rows(self.tokenizer, list(texts.values()), figures.length)
        logits = self.reference.logits(rows)
        expected = self.reference.probabilities(logits)
        full = replace(self.options, precision="fp32", compress=None)
        exact = constants(build(self.reference.network, figures.length, full))
        twin, saved = Evaluator(function, exact), Evaluator(function)
        found = self.run(twin, rows, figures.length)
        figures.exact_error = largest(found.probabilities - expected)
        figures.exact_padding_error = self._padding_error(twin, rows, found, figures.length)
        found = self.run(saved, rows, figures.length)
        figures.error = largest(found.probabilities - expected)
        figures.logits_error = largest(found.logits - logits)
        figures.psnr = psnr(found.probabilities, expected)
        figures.agreement = float(np.mean(found.logits.argmax(1) == logits.argmax(1)))
        figures.padding_error = self._padding_error(saved, rows, found, figures.length)
        figures.largest = saved.largest
        for name in sorted(twin.not_finite | saved.not_finite):
            figures.faults.append(f"{name} is not finite")

    def run(self, evaluator: Runs, rows: Sequence[Row], length: int) -> Outcome:
        """A function's outputs for rows of token ids."""
        pad_token_id = self.vocabulary.special_id("pad")
        batches = padded_batches(rows, self.options.batch, length, pad_token_id)
        return self._outcome(evaluator, batches)

    def _padding_error(
        self, evaluator: Evaluator, rows: Sequence[Row], found: Outcome, length: int
    ) -> float:
        """How much a row changes with other tokens in its padding, or with more of it."""
        shortest = min(range(len(rows)), key=lambda i: len(rows[i]))
        other = self.vocabulary.special_id("sep")
        batches = padded_batches([rows[shortest]], self.options.batch, length, other)
        changed = self._outcome(evaluator, batches).probabilities[0]
        error = largest(changed - found.probabilities[shortest])
        for row, probabilities in zip(rows, found.probabilities, strict=True):
            first = self.seen.setdefault((evaluator.exact is not None, row), probabilities)
            error = max(error, largest(probabilities - first))
        return error

    def _outcome(
        self, evaluator: Runs, batches: Iterator[tuple[dict[str, np.ndarray], int]]
    ) -> Outcome:
        probabilities, logits = [], []
        for feeds, count in batches:
            outputs = evaluator(feeds)
            probabilities.append(self._by_label(outputs["probabilities"])[:count])
            logits.append(outputs["logits"][:count])
        return Outcome(np.concatenate(probabilities), np.concatenate(logits))

    def _by_label(self, probabilities: Any) -> np.ndarray:
        """(B, num_labels), where a classifier gives a dictionary too."""
        if not isinstance(probabilities, dict):
            return probabilities
        return np.array([[probabilities[label] for label in self.reference.labels]], np.float32)


def largest(difference: np.ndarray) -> float:
    """Largest absolute value; NaN where there is one."""
    return float(np.abs(difference).max())
