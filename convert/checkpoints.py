"""Converting a checkpoint: any supported form in, one Hugging Face folder out."""

from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten

from mlx_finbert.atomic import write_bytes
from mlx_finbert.checkpoint import DTYPES, LoadReport, load_with_report, save
from mlx_finbert.convert.parity import logits_difference, require_torch
from mlx_finbert.convert.settings import ToMlxSettings
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier

TOLERANCES = {mx.float32: 1e-4, mx.float16: 2e-2, mx.bfloat16: 2e-1}
"""Largest difference of a logit from transformers in float32 that passes `--verify`."""


@dataclass
class ConversionReport:
    """What a conversion did."""

    output: Path
    model: Classifier
    loaded: LoadReport
    difference: float | None
    """Largest absolute difference of a logit from transformers' where it was compared."""

    @property
    def dtype(self) -> mx.Dtype:
        return tree_flatten(self.model.parameters())[0][1].dtype

    @property
    def passed(self) -> bool:
        return self.difference is None or self.difference <= TOLERANCES[self.dtype]

    def __str__(self) -> str:
        sizes = [value.size for _, value in tree_flatten(self.model.parameters())]
        dtype = next(name for name, dtype in DTYPES.items() if dtype == self.dtype)
        megabytes = (self.output / "model.safetensors").stat().st_size / 1e6
        lines = [
            f"{self.loaded.source} ({', '.join(self.loaded.files)}) -> {self.output}",
            f"{type(self.model).__name__}: {sum(sizes):,} parameters, {dtype}, {megabytes:.1f} MB",
            f"labels: {', '.join(self.model.args.labels)}",
            f"new: {', '.join(self.loaded.new) or 'nothing'}",
            f"dropped: {', '.join(self.loaded.unused) or 'nothing'}",
        ]
        if self.difference is not None:
            lines.append(
                f"largest difference of a logit from transformers: {self.difference:.1e}"
                f" ({'within' if self.passed else 'MORE THAN'} {TOLERANCES[self.dtype]:.0e})"
            )
        return "\n".join(lines)


def convert(settings: ToMlxSettings) -> ConversionReport:
    """Load, save, and compare where asked.

    Raises:
        InputError: for a checkpoint that cannot be used, or an output that holds a model.
    """
    output = Path(settings.output).expanduser()
    if (output / "config.json").exists() and not settings.overwrite:
        raise InputError(f"--output {output} holds a model already: add --overwrite")
    if settings.verify:
        require_torch()
    model, tokenizer, report = load_with_report(
        settings.model,
        settings.num_labels,
        settings.labels,
        settings.dtype,
        settings.revision,
        settings.new_head,
    )
    save(model, tokenizer, output)
    run = report.source / "config.yaml"
    if run.is_file() and not output.samefile(report.source):
        # How the rows were split: `evaluate` must not test on training rows.
        write_bytes(output / "config.yaml", run.read_bytes())
    difference = None
    if settings.verify:
        # A fresh head exists in the output alone.
        reference = output if report.new else report.source
        difference = logits_difference(model, tokenizer, reference)
    return ConversionReport(output, model, report, difference)
