"""What every run begins and ends with: its processes, its folder, its callbacks, the loop."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import mlx.core as mx

from mlx_finbert.backend.interface import first_step_note
from mlx_finbert.backend.process import prefer_memory
from mlx_finbert.distributed import barrier, guarded, path_of_first, quiet, ranks, require_same
from mlx_finbert.files.paths import local_path
from mlx_finbert.models.parameters import named_parameters, weights_sha256
from mlx_finbert.training.callbacks import Callback, Progress
from mlx_finbert.training.checkpoints import Checkpoint, find_checkpoint
from mlx_finbert.training.config import FolderSettings
from mlx_finbert.training.integrations import check_services, reporters
from mlx_finbert.training.output_dir import RunSettings, check_output, claimed_folder
from mlx_finbert.training.prepare import require_shared
from mlx_finbert.training.run_files import RunFiles
from mlx_finbert.training.state import RunEnd
from mlx_finbert.training.step import StepFailed
from mlx_finbert.training.trainer import Trainer

log = logging.getLogger(__name__)

REMEDY = "start the run again, from its last checkpoint with `resume_from_checkpoint`"
"""The remedy after a process of the run was lost."""


class FramedSettings(RunSettings, Protocol):
    """What the frame needs of the settings of a run."""

    batch_size: int
    gradient_checkpointing: bool
    report_to: list[str] | None


def checkpoint_to_resume(settings: FramedSettings) -> Checkpoint | None:
    """Prepare this process for a run, and find what it goes on from, before any data are read.

    Raises:
        InputError: for an output folder that holds another run, and a checkpoint that is unusable.
    """
    if settings.gradient_checkpointing:
        prefer_memory()
    given = settings.resume_from_checkpoint
    checkpoint = find_checkpoint(local_path(given)) if given else None
    check_output(settings)
    return checkpoint


@dataclass(frozen=True)
class Frame:
    """A run in one of its processes."""

    processes: mx.distributed.Group
    folder: Path
    """The folder of the run, in which only the first process writes."""
    checkpoint: Checkpoint | None
    """What the run goes on from, if anything."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and notes of the run."""
        return self.processes.rank() == 0

    def train(
        self, trainer: Trainer, files: RunFiles, progress: Progress, callbacks: Sequence[Callback]
    ) -> RunEnd:
        """Run the training loop, from the checkpoint if there is one; return how it ended.

        Args:
            trainer: the trainer.
            files: what writes into the folder.
            progress: the progress bar.
            callbacks: called by the first process, after the folder is up to date.

        Raises:
            InputError: if the checkpoint is of other data, the disk is too small, or the processes
                do not have the same settings and weights.
        """
        if self.checkpoint:
            files.go_on_from(self.checkpoint, trainer)
        if self.is_first:
            files.require_space(trainer)
            services = reporters(files.settings.report_to or [], self.folder)
            trainer.callbacks = [progress, files, *callbacks, *services]
        start = start_of(trainer, files.settings)
        require_same(self.processes, start, "the settings or the weights")
        return looped(trainer, files.settings)

    def leave(self, end: str) -> None:
        """Wait for the other processes, unless the run failed here."""
        if end != RunEnd.FAILED:
            # mlx.launch stops all processes when one exits, so the others wait for the first.
            barrier(self.processes)


@contextmanager
def framed(settings: FramedSettings, checkpoint: Checkpoint | None) -> Iterator[Frame]:
    """Connect the processes of a run and claim its folder, which all of them then know.

    Raises:
        InputError: if the folder is in use or holds a run, or a process is lost.
    """
    with guarded(REMEDY), ExitStack() as held:
        processes = ranks()
        require_shared(settings.batch_size, processes)
        folder = None
        if processes.rank() == 0:
            resumed = checkpoint.run_folder if checkpoint else None
            folder = held.enter_context(claimed_folder(settings, resumed))
            check_services(settings.report_to or [])
        else:
            held.enter_context(quiet())
        yield Frame(processes, path_of_first(processes, folder), checkpoint)


def start_of(trainer: Trainer, settings: FolderSettings) -> str:
    """A hash of the settings, the step and the weights, which must agree in all processes."""
    own = {"output_dir", "overwrite", "resume_from_checkpoint"}
    shared = {name: value for name, value in asdict(settings).items() if name not in own}
    digest = hashlib.sha256(repr((shared, trainer.run_state.step)).encode())
    if trainer.step.processes.size() > 1:
        digest.update(weights_sha256(named_parameters(trainer.step.model)).encode())
    return digest.hexdigest()


def looped(trainer: Trainer, settings: FolderSettings) -> RunEnd:
    """Run the training loop and its callbacks; return how it ended."""
    total = trainer.args.total_steps
    log.info(f"{total:,} steps of {trainer.train_loader.update_size} rows; {first_step_note()}")
    for callback in trainer.callbacks:
        callback.on_start(asdict(settings), total, trainer.run_state.step)
    end = RunEnd.FAILED
    try:
        end = trainer.train()
    except StepFailed as error:
        log.error("%s", error)
    finally:
        for callback in trainer.callbacks:
            callback.on_end(end)
    return end
