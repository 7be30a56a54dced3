"""Compares a saved package with the MLX model, on any machine.

The file is read from disk and run twice. The first run is as saved, over the verification texts and
all golden texts. The second run uses the model's float32 weights and no rounding, over the
verification texts. It must agree to 1e-5, which reveals a wrong epsilon, activation or mask that
half precision would hide. The file's weights are compared with the model's separately.
"""

import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.figures import (
    Figures,
    PackageReport,
    psnr,
    tolerance_faults,
)
from mlx_finbert.convert.coreml.golden_texts import golden_texts
from mlx_finbert.convert.coreml.graph import INPUTS, build, constants
from mlx_finbert.convert.coreml.inference import (
    Inference,
    Outcome,
    Row,
    token_rows,
    verification_texts,
)
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.on_mac import run_core_ml
from mlx_finbert.convert.coreml.operations import CONSTANTS, EvaluationError
from mlx_finbert.convert.coreml.options import CompleteOptions
from mlx_finbert.convert.coreml.package import function_name
from mlx_finbert.convert.coreml.readback import read_back
from mlx_finbert.convert.coreml.saved import Function, SavedPackage
from mlx_finbert.convert.coreml.structure import function_faults, package_faults
from mlx_finbert.convert.coreml.tokenizer.check import TokenizerCheck


@dataclass
class Examples:
    """Texts as rows for one length, with the model's outputs."""

    names: list[str]
    rows: list[Row]
    logits: np.ndarray
    """float32 (N, num_labels), like the probabilities."""
    probabilities: np.ndarray

    def largest_error(self, found: Outcome) -> tuple[float, str]:
        """Largest error of a probability, and the name of the text that has it."""
        errors = np.abs(found.probabilities - self.probabilities).max(axis=1)
        return float(errors.max()), self.names[int(errors.argmax())]


@dataclass
class Verifier:
    """Compares packages with their model.

    Args:
        description: the packages' description; its lengths are not used.
        tokenizer: the model's tokenizer.
    """

    description: Description
    tokenizer: Tokenizer
    seen: dict[tuple[bool, Row], np.ndarray] = field(default_factory=dict)
    """Probabilities of rows at the first length that fits them, in float32 and as saved."""

    def __post_init__(self) -> None:
        self.reference = self.description.reference
        self.options = self.description.options
        self.vocabulary = self.description.vocabulary
        pad_token_id = self.vocabulary.special_id("pad")
        inputs = INPUTS[self.options.shapes]
        self.tokenizer_check = TokenizerCheck(self.vocabulary, self.tokenizer)
        self.infer = Inference(self.options.batch, self.reference.labels, pad_token_id, inputs)

    def verify(self, package: SavedPackage, lengths: list[int]) -> PackageReport:
        """Measure each function of a package and find faults.

        Args:
            package: the package read from disk.
            lengths: the lengths of its functions.
        """
        description = replace(self.description, lengths=lengths)
        return PackageReport(
            name=package.path.name,
            bytes=package.bytes,
            stored=self.options.compress or self.options.precision,
            functions=[self._verify_function(package, length) for length in lengths],
            faults=[
                *package_faults(package, description),
                *self.tokenizer_check.faults(package.metadata),
            ],
        )

    def _verify_function(self, package: SavedPackage, length: int) -> Figures:
        figures = Figures(length, {})
        function = package.function(length)
        if function is None:
            figures.faults.append(f"it has no function for {length} tokens")
            return figures
        kinds = Counter(op.kind for op in function.operations if op.kind not in CONSTANTS)
        figures.operations = dict(kinds.most_common())
        expected = self._constants(length, self.options)
        figures.faults += function_faults(function, length, self.reference.labels, self.options)
        try:
            figures.faults += read_back(function, expected, self.options)
            self._measure(package, function, figures)
        except EvaluationError as error:
            figures.faults.append(f"it cannot be run: {error}")
        return figures

    def _measure(self, package: SavedPackage, function: Function, figures: Figures) -> None:
        texts = verification_texts(self.tokenizer, figures.length)
        examples = self._examples(figures.length, texts)
        self._measure_exact(function, examples, figures)
        evaluator = Evaluator(function)
        found = self._measure_saved(evaluator, examples, figures)
        self._measure_golden(evaluator, figures)
        figures.largest = evaluator.largest
        figures.faults += _not_finite(evaluator)
        figures.faults += tolerance_faults(figures, self.options)
        if sys.platform == "darwin":
            self._measure_core_ml(package.path, examples, found, figures)

    def _examples(self, length: int, texts: dict[str, str]) -> Examples:
        """Make examples from the texts, by name, without those whose tokens occurred before."""
        rows = token_rows(self.tokenizer, list(texts.values()), length)
        first = {row: name for name, row in zip(reversed(texts), reversed(rows), strict=True)}
        rows = [row for name, row in zip(texts, rows, strict=True) if first[row] == name]
        logits = self.reference.logits(rows)
        names = [first[row] for row in rows]
        return Examples(names, rows, logits, self.reference.probabilities(logits))

    def _measure_exact(self, function: Function, examples: Examples, figures: Figures) -> None:
        options = replace(self.options, precision="fp32", compress=None)
        exact = self._constants(figures.length, options)
        evaluator = Evaluator(function, exact)
        found = self.infer(evaluator, examples.rows, figures.length)
        figures.exact_error = largest_error(found.probabilities, examples.probabilities)
        figures.exact_logits_error = largest_error(found.logits, examples.logits) / max(
            1.0, float(np.abs(examples.logits).max())
        )
        figures.exact_padding_error = self._padding_error(evaluator, examples, found, figures)
        figures.faults += _not_finite(evaluator)

    def _constants(self, length: int, options: CompleteOptions) -> dict[str, np.ndarray]:
        """The constants of the graph for rows of this length."""
        most = max(self.options.lengths) if options.shapes == "enumerated" else length
        return constants(build(self.reference.network, most, options))

    def _measure_saved(self, evaluator: Evaluator, examples: Examples, figures: Figures) -> Outcome:
        found = self.infer(evaluator, examples.rows, figures.length)
        figures.error, figures.worst_text = examples.largest_error(found)
        figures.logits_error = largest_error(found.logits, examples.logits)
        figures.psnr = psnr(found.probabilities, examples.probabilities)
        figures.agreement = float(
            np.mean(found.logits.argmax(axis=1) == examples.logits.argmax(axis=1))
        )
        figures.padding_error = self._padding_error(evaluator, examples, found, figures)
        return found

    def _measure_golden(self, evaluator: Evaluator, figures: Figures) -> None:
        texts = {text: text for text in golden_texts(self.vocabulary)}
        examples = self._examples(figures.length, texts)
        found = self.infer(evaluator, examples.rows, figures.length)
        figures.golden_error, worst = examples.largest_error(found)
        figures.golden_texts, figures.worst_golden_text = len(examples.rows), worst[:40]

    def _measure_core_ml(
        self, path: Path, examples: Examples, expected: Outcome, figures: Figures
    ) -> None:
        """Compare Core ML with the evaluator's result for the same file."""
        name = function_name(figures.length) if self.options.multifunction else None
        figures.core_ml, figures.core_ml_ran, fault = run_core_ml(
            path,
            name,
            self.options.target,
            lambda runner: self.infer(runner, examples.rows, figures.length).probabilities,
            expected.probabilities,
        )
        figures.faults += fault

    def _padding_error(
        self, evaluator: Evaluator, examples: Examples, found: Outcome, figures: Figures
    ) -> float:
        """Largest change of a probability with other tokens in the padding or more padding."""
        shortest = min(range(len(examples.rows)), key=lambda i: len(examples.rows[i]))
        rows = [examples.rows[shortest]]
        if self.options.shapes == "fixed":
            other = self.vocabulary.special_id("sep")
            changed = self.infer(evaluator, rows, figures.length, pad_token_id=other)
        else:
            # The padding id determines the mask, so only the amount of padding can change.
            lengths = [n for n in self.options.lengths if n != figures.length]
            changed = self.infer(evaluator, rows, lengths[-1])
        error = largest_error(changed.probabilities, found.probabilities[[shortest]])
        for row, probabilities in zip(examples.rows, found.probabilities, strict=True):
            first = self.seen.setdefault((evaluator.exact is not None, row), probabilities)
            error = max(error, largest_error(probabilities, first))
        return error


def largest_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; NaN if any difference is NaN."""
    return float(np.abs(found - expected).max())


def _not_finite(evaluator: Evaluator) -> list[str]:
    return [f"{name} is not finite" for name in sorted(evaluator.not_finite)]
