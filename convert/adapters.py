"""Fuses a folder of adapters with its base model into one Hugging Face folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlx_finbert.checkpoints.into_model import LoadReport
from mlx_finbert.checkpoints.save import save
from mlx_finbert.convert.checkpoints import claimed_output, load_with_run_files
from mlx_finbert.convert.parity import own_logits
from mlx_finbert.convert.settings import FuseSettings
from mlx_finbert.errors import InputError
from mlx_finbert.models.lora import fuse, has_lora

TOLERANCE = 1e-4
"""Largest accepted difference of a logit in float32; fusing changes the order of sums."""


@dataclass
class FuseReport:
    """The outcome of a fusion."""

    output: Path
    labels: list[str]
    loaded: LoadReport
    difference: float
    """Largest absolute difference of a logit from the model with separate adapters."""

    @property
    def passed(self) -> bool:
        return self.difference <= TOLERANCE

    def __str__(self) -> str:
        megabytes = (self.output / "model.safetensors").stat().st_size / 1e6
        verdict = "within" if self.passed else "MORE THAN"
        return (
            f"{self.loaded.source} ({', '.join(self.loaded.files)}) -> {self.output},"
            f" {megabytes:.1f} MB\n"
            f"labels: {', '.join(self.labels)}\n"
            f"largest change of a logit by fusing: {self.difference:.1e}"
            f" ({verdict} {TOLERANCE:.0e})"
        )


def fuse_adapters(settings: FuseSettings) -> FuseReport:
    """Load adapters, fuse them, save the result, and compare it with the original.

    Raises:
        InputError: if the folder has no adapters, the base model is missing or a different one, or
            the output folder already holds a model.
    """
    with claimed_output(settings.output, settings.overwrite) as output:
        model, tokenizer, report, files = load_with_run_files(
            settings.model, base_model=settings.base_model
        )
        if not has_lora(model):
            raise InputError(
                f"`model={settings.model}` holds no adapters: give a folder of adapters to fuse"
            )
        before = own_logits(model, tokenizer)
        fuse(model)
        save(model, tokenizer, output, files)
        difference = float(np.abs(own_logits(model, tokenizer) - before).max())
    return FuseReport(output, model.args.labels, report, difference)
