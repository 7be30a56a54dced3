"""The output folder of a pretraining run."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.checkpoints.masked_lm import write_masked_lm
from mlx_finbert.models.masked_lm import MaskedLM
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.training.checkpoints import Checkpoint
from mlx_finbert.training.output_dir import TOKENS
from mlx_finbert.training.run_files import RunFiles


@dataclass
class PretrainFolder(RunFiles):
    """Write the files of a pretraining run, each of them atomically."""

    settings: PretrainSettings
    model: MaskedLM

    def write_weights(self, folder: Path) -> None:
        """Write the model without its tokenizer into a new folder."""
        write_masked_lm(self.model, folder)

    def caches(self) -> Collection[str]:
        return [TOKENS]

    def other_rows(self, checkpoint: Checkpoint) -> str:
        return other_texts(checkpoint.path, self.settings)


def other_texts(resumed: Path, settings: PretrainSettings) -> str:
    """Say that the texts are not those of the run to resume, and what to do."""
    held_out = settings.validation_data
    also = f" or {held_out}" if held_out else ""
    return (
        f"`resume_from_checkpoint={resumed}`: {settings.data}{also} is not what this run read:"
        " its texts, their order or the tokenizer differ; give the original texts with `data`"
        f"{' and `validation_data`' if held_out else ''}, or start a new run"
    )
