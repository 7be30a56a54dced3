"""Converts a checkpoint of any supported format into one Hugging Face folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import adapt
from mlx_finbert.checkpoints.files import MODEL_FILES
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.into_model import LoadReport
from mlx_finbert.checkpoints.load import DTYPES, load_with_report, require_plain
from mlx_finbert.checkpoints.save import dtype_of, save
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.training_run import run_files
from mlx_finbert.convert.parity import logits_difference, open_in_transformers, require_torch
from mlx_finbert.convert.settings import ToMlxSettings
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish, read_whole
from mlx_finbert.files.folder_lock import claimed
from mlx_finbert.files.paths import local_path
from mlx_finbert.models import Classifier
from mlx_finbert.models.config import HeadOptions
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.models.quantization import (
    DEFAULT_GROUP_SIZE,
    Quantization,
    quantization_of,
    quantize,
)
from mlx_finbert.settings import require
from mlx_finbert.training.output_dir import BEST

TOLERANCES = {mx.float32: 1e-4, mx.float16: 2e-2, mx.bfloat16: 2e-1}
"""Largest difference of a logit from transformers in float32 that `verify` accepts."""
QUANTIZED_TOLERANCES = {8: 0.1, 4: 2.0}
"""The same by bits; fine-tuned MiniLMs had errors of 0.014 to 0.027 and of 0.22 to 0.88."""


@dataclass
class ConversionReport:
    """The outcome of a conversion."""

    output: Path
    model: Classifier
    parameters: int
    """Number of parameters; packed ones are counted individually."""
    loaded: LoadReport
    difference: float | None
    """Largest absolute difference of a logit from transformers'; None if not compared."""
    reference: str | None = None
    """The folders that transformers opened for the comparison, in words."""

    @property
    def dtype(self) -> mx.Dtype:
        return dtype_of(self.model)

    @property
    def tolerance(self) -> float:
        quantization = quantization_of(self.model)
        most = TOLERANCES[self.dtype]
        return max(most, QUANTIZED_TOLERANCES[quantization.bits]) if quantization else most

    @property
    def passed(self) -> bool:
        return self.difference is None or self.difference <= self.tolerance

    def __str__(self) -> str:
        dtype = next(name for name, dtype in DTYPES.items() if dtype == self.dtype)
        megabytes = (self.output / "model.safetensors").stat().st_size / 1e6
        lines = [
            f"{self.loaded.source} ({', '.join(self.loaded.files)}) -> {self.output}",
            f"{type(self.model).__name__}: {self.parameters:,} parameters, {dtype},"
            f" {megabytes:.1f} MB",
            f"labels: {', '.join(self.model.args.labels)}",
            f"new: {', '.join(self.loaded.new) or 'nothing'}",
            f"dropped: {', '.join(self.loaded.unused) or 'nothing'}",
        ]
        if self.loaded.temperature != 1:
            lines.append(
                f"calibrated: the recorded temperature, {self.loaded.temperature:g}, is now part of"
                " the head, so every program that opens the model computes the same probabilities"
            )
        if quantization := quantization_of(self.model):
            lines.append(
                f"quantized: {quantization.bits} bits in groups of {quantization.group_size};"
                " mlx_finbert opens it, transformers cannot"
            )
        if self.difference is not None:
            lines.append(
                f"largest difference of a logit from transformers: {self.difference:.1e}"
                f" ({'within' if self.passed else 'MORE THAN'} {self.tolerance:.0e})"
            )
            lines.append(f"compared with: {self.reference}")
        return "\n".join(lines)


def convert(settings: ToMlxSettings) -> ConversionReport:
    """Load a checkpoint and save it; quantize and compare as the settings say.

    Raises:
        InputError: if the checkpoint cannot be used, or the output folder already holds a model.
    """
    quantization = wished_quantization(settings)
    with (
        claimed_output(settings.output, settings.overwrite) as output,
        TemporaryDirectory() as spare,
    ):
        if settings.verify:
            require_torch()
        head = HeadOptions(settings.num_labels, settings.labels, is_new=settings.new_head)
        model, tokenizer, report, files = load_with_run_files(
            settings.model, head=head, dtype=settings.dtype, revision=settings.revision
        )
        require_plain(model, settings.model)
        if quantization and report.new:
            raise InputError(
                f"`quantize`: {settings.model} has no trained head: fine-tune it first"
            )
        parameters = sum(value.size for value in named_parameters(model).values())
        # transformers cannot open a quantized folder, so an unquantized copy is compared.
        copy = Path(spare) / "copy" if quantization else output
        if quantization:
            if settings.verify:
                save(model, tokenizer, copy)
            quantize(model, quantization)
            adapt(model)
        save(model, tokenizer, output, files)
        converted = ConversionReport(output, model, parameters, report, None)
        if settings.verify:
            verify(converted, tokenizer, copy)
    return converted


def load_with_run_files(
    model: str, *, revision: str | None = None, **how: Any
) -> tuple[Classifier, Tokenizer, LoadReport, dict[str, bytes]]:
    """Load a model and its run's files from the same state of the folder."""

    def read() -> tuple[Classifier, Tokenizer, LoadReport, dict[str, bytes]]:
        *loaded, report = load_with_report(model, revision=revision, **how)
        return *loaded, report, run_files(report.source)

    return read_whole(resolve(model, revision), read)


def verify(converted: ConversionReport, tokenizer: Tokenizer, copy: Path) -> None:
    """Compare with transformers' model of the written folder and, if possible, of the source.

    Args:
        converted: the report, which gets the difference and its reference.
        tokenizer: the model's tokenizer.
        copy: the folder as written, or as it would be without quantization.
    """
    source = converted.loaded.source
    why = unlike_in_transformers(converted)
    references = [copy] if why else [copy, source]
    differences = [logits_difference(converted.model, tokenizer, place) for place in references]
    converted.difference = float(np.max(differences))
    written = "the model before quantization" if copy != converted.output else str(copy)
    converted.reference = (
        f"{written}; not with the source: {why}" if why else f"{written}, {source}"
    )


def unlike_in_transformers(converted: ConversionReport) -> str | None:
    """The reason why transformers' model of the source differs; None if it does not."""
    if converted.loaded.new:
        return f"the head is new ({', '.join(converted.loaded.new)})"
    if converted.loaded.temperature != 1:
        return "transformers does not know its calibration_temperature"
    _, problem = open_in_transformers(converted.model, converted.loaded.source)
    return problem and f"transformers cannot open it, {problem}"


def wished_quantization(settings: ToMlxSettings) -> Quantization | None:
    """The quantization that `quantize` and `group_size` ask for."""
    if settings.quantize is None:
        given = settings.group_size
        require(given is None, "group_size", given, "it has no effect without `quantize`")
        return None
    return Quantization(settings.quantize, settings.group_size or DEFAULT_GROUP_SIZE)


@contextmanager
def claimed_output(output: str, overwrite: bool) -> Iterator[Path]:
    """Lock the output folder against other commands.

    Raises:
        InputError: if it holds a training run, or a file that the model would replace or remove.
    """
    with claimed(local_path(output), "name another `output`") as folder:
        unseen = finish(folder)
        if (folder / BEST).exists():
            raise InputError(
                f"`output={folder}` holds a training run, whose figures and report would look like"
                " those of the new model: choose another folder"
            )
        # A model whose command was killed among its moves is only now complete: nobody has seen it.
        own = sorted(MODEL_FILES.difference(unseen))
        taken = [name for name in own if (folder / name).exists()]
        if taken and not overwrite:
            raise InputError(
                f"`output={folder}` holds {taken[0]} already: name another folder, or add"
                " `overwrite=True`"
            )
        yield folder
