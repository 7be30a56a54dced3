"""A Core ML package as a classifier of texts, run by our evaluator on any machine."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.graph import INPUTS
from mlx_finbert.convert.coreml.inference import Inference, Row, Runner, shortest_holding
from mlx_finbert.convert.coreml.metadata import PREFIX
from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.coreml.options import SHORTEST, CompleteOptions
from mlx_finbert.convert.coreml.saved import Function, SavedPackage
from mlx_finbert.convert.coreml.tokenizer.rebuilt import RebuiltTokenizer
from mlx_finbert.convert.packages import options_of
from mlx_finbert.data import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.evaluate import Evaluation, evaluation_of
from mlx_finbert.files.folder_commit import finish
from mlx_finbert.files.json_text import JsonFault, parse_json
from mlx_finbert.files.paths import local_path

FAULTS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""Exceptions raised by metadata that the export did not write."""


@dataclass
class PackageClassifier:
    """A package, or all packages of one export, with the tokenizer that their metadata describe.

    A text is read as an app reads it: it goes to the shortest length that holds its tokens, and is
    cut to the longest if none does. The temperature of a calibrated model is in the weights.
    """

    name: str
    """The user's name for it."""
    labels: list[str]
    runners: Mapping[int, Callable[[], Runner]]
    """What makes a runner of the function for each length, in ascending order."""
    options: CompleteOptions
    metadata: dict[str, str]
    run: TrainingRun
    """What is known about the training of its model."""

    @classmethod
    def open(cls, name: str) -> "PackageClassifier":
        """Open `NAME.mlpackage` or, if there is none, `NAME-32.mlpackage`, `NAME-64.mlpackage`, ...

        Raises:
            InputError: if there is no such package, or it cannot be read, was not made by
                `to_coreml`, or is from another export than the others.
        """
        packages = [SavedPackage(path) for path in package_paths(local_path(name))]
        functions: dict[int, Function] = {}
        for package in packages:
            require_one_export(packages[0], package)
            functions |= functions_of(package)
        options, metadata = options_of(packages[0]), packages[0].metadata
        labels = labels_of(packages[0].metadata, packages[0].path)
        runners = {length: runner_of(function) for length, function in functions.items()}
        run = TrainingRun(name, None, None, is_trained=True)
        return cls(name, labels, runners, options, metadata, run)

    @property
    def source_sha256(self) -> str | None:
        """The hash of the weights that it was made from."""
        return self.metadata.get(f"{PREFIX}source_sha256")

    @property
    def notes(self) -> list[str]:
        """A sentence on its form, on what runs it, and on its longest row."""
        stored = ", ".join(filter(None, [self.options.precision, self.options.compress]))
        return [
            f"{self.name} is {self.kind.format(stored)}; it reads at most"
            f" {max(self.runners)} tokens of a text"
        ]

    @property
    def kind(self) -> str:
        """What it is, with a place for the form of its weights, and what runs it."""
        return "a Core ML package ({}), run by our evaluator and not by Core ML"

    @property
    def pad_token_id(self) -> int:
        """The id that fills a row."""
        try:
            return int(
                parse_json(self.metadata[f"{PREFIX}tokenizer"])["special_tokens"]["pad"]["id"]
            )
        except FAULTS as error:
            raise self._without_tokenizer(error) from None

    @cached_property
    def tokenizer(self) -> RebuiltTokenizer:
        """The tokenizer, rebuilt from the metadata."""
        try:
            return RebuiltTokenizer(self.metadata)
        except FAULTS as error:
            raise self._without_tokenizer(error) from None

    def _without_tokenizer(self, error: Exception) -> InputError:
        return InputError(
            f"{self.name} does not describe its tokenizer ({error!r:.200}): export it again"
        )

    def check(self, rows: LabelledTexts, max_length: int | None) -> None:
        """Refuse rows with a label that the package lacks, and a length that is too short."""
        rows.ids_in(self.labels)
        self.limit(max_length)

    def measure(self, rows: LabelledTexts, batch_size: int, max_length: int | None) -> Evaluation:
        """Measure the package; `batch_size` has no effect, since a package has its own.

        Raises:
            InputError: if a row has a label that the package lacks, max_length is too short, or the
                package cannot be run.
        """
        limit = self.limit(max_length)
        tokens = [self.tokenizer(text) for text in rows.texts]
        cut = [tuple([*ids[: limit - 1], ids[-1]] if len(ids) > limit else ids) for ids in tokens]
        truncated = sum(len(ids) > limit for ids in tokens)
        logits = self.logits(cut)
        return evaluation_of(self.name, rows, len(rows), self.labels, logits, truncated)

    def limit(self, max_length: int | None) -> int:
        """The number of tokens at which rows are cut."""
        longest = max(self.runners)
        if max_length is None:
            return longest
        if max_length < SHORTEST:
            raise InputError(f"`max_length` is {max_length}: it must be at least {SHORTEST}")
        return min(max_length, longest)

    def logits(self, rows: Sequence[Row]) -> np.ndarray:
        """Compute the logits of N rows of token ids, float32 (N, num_labels)."""
        from tqdm import tqdm

        found = np.empty((len(rows), len(self.labels)), np.float32)
        with tqdm(
            total=len(rows), desc=self.name, unit="row", dynamic_ncols=True, disable=None
        ) as bar:
            for at, logits in self._computed(rows):
                found[at] = logits
                bar.update(len(at))
        return found

    def _computed(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yield positions of rows and their logits, length by length."""
        batch, lengths = self.options.batch, list(self.runners)
        infer = Inference(batch, self.labels, self.pad_token_id, INPUTS[self.options.shapes])
        at_length: dict[int, list[int]] = {length: [] for length in lengths}
        for i, row in enumerate(rows):
            at_length[shortest_holding(len(row), lengths)].append(i)
        for length, chosen in at_length.items():
            if not chosen:
                continue
            runner = self.runners[length]()
            for start in range(0, len(chosen), batch):
                at = chosen[start : start + batch]
                yield at, self._outcome(infer, runner, [rows[i] for i in at], length)

    def _outcome(
        self, infer: Inference, runner: Runner, rows: Sequence[Row], length: int
    ) -> np.ndarray:
        try:
            return infer(runner, rows, length).logits
        except EvaluationError as error:
            raise InputError(
                f"{self.name} cannot be run at {length} tokens ({error}): export it again"
            ) from None


def runner_of(function: Function) -> Callable[[], Runner]:
    """What makes an evaluator of a function, of whose weights it keeps copies."""
    return lambda: Evaluator(function)


def package_paths(path: Path) -> list[Path]:
    """The package, or those that an export named after it, one for each length, ascending."""
    if path.parent.is_dir():
        finish(path.parent)
    if path.exists():
        return [path]
    named = re.compile(re.escape(path.stem) + r"-(\d+)" + re.escape(path.suffix))
    found = {
        int(match[1]): other
        for other in path.parent.glob(f"*{path.suffix}")
        if (match := named.fullmatch(other.name))
    }
    if not found:
        raise InputError(f"{path}: there is no such package; check the path")
    return [found[length] for length in sorted(found)]


def labels_of(metadata: Mapping[str, str], path: Path) -> list[str]:
    """Read the names of the labels from the metadata of an exported model.

    Raises:
        InputError: if the metadata lack them.
    """
    with suppress(KeyError, TypeError, JsonFault):
        found = parse_json(metadata[f"{PREFIX}labels"])
        if isinstance(found, list) and found and all(isinstance(name, str) for name in found):
            return found
    raise InputError(f"{path} does not name its labels in its metadata: export it again")


def require_one_export(first: SavedPackage, other: SavedPackage) -> None:
    """Refuse packages of two exports: they must agree in all metadata but the lengths."""
    told, others = first.metadata, other.metadata
    for key in sorted({*told, *others} - {f"{PREFIX}lengths"}):
        if told.get(key) != others.get(key):
            raise InputError(
                f"{first.path} and {other.path} are of two exports: {key} in their metadata"
                " differs; give one of them, or export both lengths again"
            )


def functions_of(package: SavedPackage) -> dict[int, Function]:
    """The functions of a package by length, in ascending order."""
    found: dict[int, Function] = {}
    for length in sorted(options_of(package).lengths):
        function = package.function(length)
        if function is None:
            raise InputError(
                f"{package.path} has no function for {length} tokens, which its metadata name:"
                " export it again"
            )
        found[length] = function
    return found
