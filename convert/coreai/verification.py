"""Compares a saved asset with the MLX model, in Apple's runtime.

Half precision is slow on Linux: a row takes seconds to minutes. So the program runs there in
float32 twice, on the model's weights and on the stored values, over all golden texts; the asset
itself computes one short row, and its weights are read back.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreai.asset import SUFFIX, SavedAsset
from mlx_finbert.convert.coreai.child import Child, ChildError, temporary_folder
from mlx_finbert.convert.coreai.description import AssetDescription
from mlx_finbert.convert.coreai.figures import AssetFigures, AssetReport, tolerance_faults
from mlx_finbert.convert.coreai.form import Form, exact, stored_twin
from mlx_finbert.convert.coreai.readback import missing_weights
from mlx_finbert.convert.coreml.conventions import function_name
from mlx_finbert.convert.coreml.golden_texts import golden_texts
from mlx_finbert.convert.coreml.inference import (
    Inference,
    Outcome,
    Row,
    Runner,
    shortest_holding,
    token_rows,
)
from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.coreml.structure import metadata_faults, side_file_faults
from mlx_finbert.convert.coreml.tokenizer.check import TokenizerCheck
from mlx_finbert.files.space import require_space, size_of, size_text, tell_space

COMPARED_ROWS = 3
"""Rows that run in every function, the shortest golden texts."""


def write_asset(path: Path, description: AssetDescription, form: Form) -> None:
    """Write an asset; it is not verified here.

    Raises:
        ChildError: if Apple's library fails.
        OSError: if the disk is full or cannot be written; names the path.
    """
    with Child() as child:
        network, lengths = description.reference.network, description.lengths
        try:
            child("author", network, lengths, form, path, description.told())
        except ChildError as error:
            if error.errno is None:
                raise
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


class LoadedAsset:
    """An asset in Apple's runtime, which runs in a child process."""

    def __init__(self, child: Child, path: Path) -> None:
        self._child = child
        self.signatures: dict[str, list[str]] = child("load", path)

    def require_functions(self, lengths: Sequence[int], labels: int) -> None:
        """Check the functions, their inputs and their outputs.

        Args:
            lengths: tokens of a row, of each function.
            labels: the number of labels.

        Raises:
            EvaluationError: if they are not those of an export.
        """
        expected = {
            function_name(length): [
                *(f"{name}: Int32 1 × {length}" for name in ("input_ids", "attention_mask")),
                *(f"{name}: Float32 1 × {labels}" for name in ("logits", "probabilities")),
            ]
            for length in lengths
        }
        if self.signatures != expected:
            raise EvaluationError(f"its functions are {self.signatures}, not {expected}")

    def function(self, length: int) -> Runner:
        """A callable that runs the function for rows of this length."""

        def run(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            try:
                found: dict[str, np.ndarray] = self._child("run", function_name(length), feeds)
            except ChildError as error:
                raise EvaluationError(str(error)) from None
            return found

        return run


@contextmanager
def loaded(path: Path) -> Iterator[LoadedAsset]:
    """Load an asset for the time of the block.

    Raises:
        EvaluationError: if Apple's runtime cannot load it.
        InputError: if the disk of temporary files is full.
    """
    # The runtime writes what it makes of the asset there, and crashes if it cannot.
    require_space(temporary_folder(), size_of(path), "TMPDIR", "temporary files")
    with Child() as child:
        try:
            asset = LoadedAsset(child, path.resolve())
        except ChildError as error:
            raise EvaluationError(str(error)) from None
        yield asset


class AssetVerifier:
    """Compares assets with their model.

    Args:
        description: the description of the asset.
        tokenizer: the model's tokenizer.
    """

    def __init__(self, description: AssetDescription, tokenizer: Tokenizer) -> None:
        self.description = description
        self.lengths = description.lengths
        self.reference = description.reference
        vocabulary = description.vocabulary
        self.tokenizer_check = TokenizerCheck(vocabulary, tokenizer)
        self.other_padding = vocabulary.special_id("sep")
        self.infer = Inference(1, self.reference.labels, vocabulary.special_id("pad"))
        texts = golden_texts(vocabulary)
        rows = token_rows(tokenizer, texts, self.lengths[-1])
        self.texts: dict[Row, str] = dict(zip(reversed(rows), reversed(texts), strict=True))
        self.rows = sorted(self.texts, key=len)
        self.logits = self.reference.logits(self.rows)
        self.probabilities = self.reference.probabilities(self.logits)

    def verify(self, asset: SavedAsset) -> AssetReport:
        """Measure an asset and find its faults."""
        description, figures = self.description, AssetFigures(golden_texts=len(self.rows))
        faults = [
            *filter(None, [asset.hash_fault()]),
            *metadata_faults(asset.metadata, description),
            *self.tokenizer_check.faults(asset.metadata),
            *side_file_faults(asset.path.parent, description),
            *missing_weights(
                asset.program, self.reference.network, self.lengths, description.asset.form
            ),
        ]
        try:
            faults += self._run(asset, figures)
            faults += tolerance_faults(figures, description.asset)
        except (ChildError, EvaluationError) as error:
            faults.append(f"it cannot be run: {error}")
        return AssetReport(
            folder=asset.path.parent,
            name=asset.path.name,
            source=description.source,
            source_sha256=self.reference.sha256,
            labels=self.reference.labels,
            options=replace(description.asset, lengths=self.lengths),
            lengths=self.lengths,
            bytes=asset.bytes,
            figures=figures,
            rows_left_out=description.rows_left_out,
            faults=faults,
        )

    def _run(self, asset: SavedAsset, figures: AssetFigures) -> list[str]:
        form = self.description.asset.form
        # The asset first: a damaged one takes no minutes to refuse.
        with Child() as child:
            figures.operations = child("operations", asset.path.resolve())
        with loaded(asset.path) as saved:
            faults = self._signature_faults(saved)
            if faults:
                return faults
            # In half precision a row of BERT takes minutes on Linux.
            count = 1 if form.precision == "fp16" else len(self.rows)
            found = self._outcome(saved, self.rows[:count])
            figures.run_rows, figures.run_error = count, self._error(found)
            if form == exact():
                self._measure_exact(saved, found, figures)
        if form != exact():
            with self._twin(exact()) as twin:
                self._measure_exact(twin, self._outcome(twin, self.rows), figures)
        if form.precision == "fp16":
            with self._twin(stored_twin(form)) as twin:
                found = self._outcome(twin, self.rows)
        errors = np.abs(found.probabilities - self.probabilities).max(axis=1)
        figures.stored_error = float(errors.max())
        figures.worst_text = self.texts[self.rows[int(errors.argmax())]][:40]
        return faults

    @contextmanager
    def _twin(self, form: Form) -> Iterator[LoadedAsset]:
        """Write the same program in another form, and load it."""
        with tempfile.TemporaryDirectory(prefix="mlx-finbert-", dir=temporary_folder()) as folder:
            path = Path(folder) / f"twin{SUFFIX}"
            try:
                write_asset(path, self.description, form)
            except OSError as error:
                tell_space(error, path.parent, f"more than {size_text(size_of(path.parent))}")
                raise
            with loaded(path) as twin:
                yield twin

    def _signature_faults(self, asset: LoadedAsset) -> list[str]:
        """Find functions, inputs and outputs that are not the export's."""
        try:
            asset.require_functions(self.lengths, len(self.reference.labels))
        except EvaluationError as error:
            return [str(error)]
        return []

    def _outcome(self, asset: LoadedAsset, rows: Sequence[Row]) -> Outcome:
        """Run each row, ordered by length, in the shortest function that holds it."""
        held = [shortest_holding(len(row), self.lengths) for row in rows]
        parts = []
        for length in sorted(set(held)):
            own = [row for row, at in zip(rows, held, strict=True) if at == length]
            parts.append(self.infer(asset.function(length), own, length))
        return Outcome(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.logits for part in parts]),
        )

    def _measure_exact(self, asset: LoadedAsset, found: Outcome, figures: AssetFigures) -> None:
        figures.exact_error = self._error(found)
        largest = max(1.0, float(np.abs(self.logits).max()))
        figures.exact_logits_error = float(np.abs(found.logits - self.logits).max()) / largest
        rows = [row for row in self.rows if len(row) <= self.lengths[0]][:COMPARED_ROWS]
        runs = [self.infer(asset.function(n), rows, n).probabilities for n in self.lengths]
        figures.functions_error = max(float(np.abs(run - runs[0]).max()) for run in runs)
        padded = self.infer(asset.function(self.lengths[0]), rows[:1], self.lengths[0],
                            pad_token_id=self.other_padding)  # fmt: skip
        figures.padding_error = float(np.abs(padded.probabilities - runs[0][:1]).max())

    def _error(self, found: Outcome) -> float:
        """Largest error of the first rows' probabilities; NaN if one is NaN."""
        expected = self.probabilities[: len(found.probabilities)]
        return float(np.abs(found.probabilities - expected).max())
