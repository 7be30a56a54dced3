"""A complete pretraining run, from the texts to the output folder."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.checkpoints.files import RUN_CONFIG
from mlx_finbert.checkpoints.training_run import is_pretraining
from mlx_finbert.distributed import require_same
from mlx_finbert.errors import InputError
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.pretraining.finish import finish
from mlx_finbert.pretraining.folder import PretrainFolder
from mlx_finbert.pretraining.prepare import load_model, make_trainer, require_full_batch_fits
from mlx_finbert.pretraining.progress import PretrainProgress, perplexity
from mlx_finbert.pretraining.texts import notes_on, rows_for
from mlx_finbert.settings import read_config_file
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.frame import checkpoint_to_resume, framed
from mlx_finbert.training.resumed_settings import completed
from mlx_finbert.training.state import RunState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainResult:
    """The result of a run; `load_masked_lm` and `fine_tune` take it as they take its folder."""

    folder: Path
    end: str
    """`finished`, `stopped early`, `interrupted`, `diverged` or `failed`."""
    run_state: RunState

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        """The held-out figures of the weights that the run kept, in one line."""
        best = self.run_state.best
        if best is None:
            return f"{self.folder}: {self.end} after {self.run_state.step:,} steps"
        return (
            f"held out: loss {best.val_loss:.4f}, perplexity {perplexity(best.val_loss):.2f},"
            f" accuracy {best.val_accuracy:.4f} of the masked tokens"
        )


def run(settings: PretrainSettings, callbacks: Sequence[Callback] = ()) -> PretrainResult:
    """Train a masked-language model on plain texts, and write the results to the output folder.

    Several processes share every batch; only the first one writes files and notes.

    Args:
        settings: all settings; without an `output_dir`, a new folder is chosen.
        callbacks: called by the first process, after the folder of the run is up to date.

    Raises:
        InputError: for invalid input, before a model is written.
    """
    checkpoint = checkpoint_to_resume(settings)
    corpus = settings.corpus()
    with framed(settings, checkpoint) as frame, ExitStack() as held:
        path, processes = frame.folder, frame.processes
        mx.random.seed(settings.seed)
        model, tokenizer = load_model(settings)
        length = settings.length(min(tokenizer.model_max_length, model.args.max_length))
        require_full_batch_fits(settings, model, tokenizer, length, processes)
        rows = held.enter_context(rows_for(settings, corpus, tokenizer, length, frame))
        for note in notes_on(rows):
            log.info(note)
        digest = rows.stores.digest
        require_same(processes, digest, f"`data={settings.data}`: the texts or their tokens")
        trainer = make_trainer(settings, model, tokenizer, rows, processes)
        folder = PretrainFolder(path, settings, model, tokenizer, digest)
        folder.defaults = {field.name: field.default for field in fields(settings)}
        progress = PretrainProgress(settings.epochs_of(len(trainer.train_loader)))
        end = frame.train(trainer, folder, progress, callbacks)
        if frame.is_first:
            finish(end, trainer, folder, rows, progress)
        frame.leave(end)
    return PretrainResult(path, end, trainer.run_state)


def complete(given: dict[str, Any]) -> PretrainSettings:
    """Build the settings from the given values, or from those of the run to resume.

    Raises:
        InputError: for a value that differs from the resumed run, or an unusable checkpoint.
    """
    return completed(PretrainSettings, given, recorded_settings)


def recorded_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a run from one of its checkpoints.

    Raises:
        InputError: if the run is not of this command.
    """
    if not is_pretraining(folder):
        raise InputError(
            f"`resume_from_checkpoint={folder}` is of a run of python -m"
            " mlx_finbert.train: resume it with that"
        )
    return read_config_file(folder / RUN_CONFIG, PretrainSettings)
