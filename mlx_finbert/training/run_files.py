"""The files that every kind of run writes: its best model, checkpoints and history."""

import json
import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import MODEL_FILES, RUN_CONFIG
from mlx_finbert.checkpoints.save import size_of_weights
from mlx_finbert.checkpoints.tokenizer import Tokenizer, save_tokenizer
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import remove_left, write_text
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.json_text import read_json
from mlx_finbert.files.space import require_space, size_of
from mlx_finbert.models.parameters import Arrays, named_parameters
from mlx_finbert.settings import config_text
from mlx_finbert.training.callbacks import Callback, write_history
from mlx_finbert.training.checkpoints import (
    CHECKSUMS,
    Checkpoint,
    checkpoints_of,
    fault_of,
    rotate,
    step_of,
    write_checkpoint,
    write_checksums,
)
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.config import FolderSettings
from mlx_finbert.training.integrations import LOG
from mlx_finbert.training.output_dir import BEST, CACHES, FILES, REPORTS
from mlx_finbert.training.prolonging import nothing_left_note
from mlx_finbert.training.state import Record, RunState
from mlx_finbert.training.step import StepState
from mlx_finbert.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass
class RunFiles(Callback, ABC):
    """Write the files of a run, each of them atomically."""

    path: Path
    settings: FolderSettings
    model: Any
    tokenizer: Tokenizer
    fingerprint: str
    """Hash of the training and validation rows."""
    defaults: dict[str, Any] = field(default_factory=dict, kw_only=True)
    """The defaults of the settings, for the report."""
    history: list[Record] = field(default_factory=list, kw_only=True)
    is_new: bool = field(default=True, kw_only=True)
    """Whether this run has not written a model yet: files in the folder are of an earlier run."""

    @abstractmethod
    def write_weights(self, folder: Path) -> None:
        """Write the model without its tokenizer into a new folder."""

    @abstractmethod
    def other_rows(self, checkpoint: Checkpoint) -> str:
        """What differs, in a sentence, if the rows are not those of a checkpoint."""

    def identity(self) -> dict[str, str]:
        """Hashes of what a resumed run must have again, for its checkpoints."""
        return {"fingerprint": self.fingerprint}

    def require_same(self, checkpoint: Checkpoint) -> None:
        """Refuse a checkpoint of a run on other rows."""
        if checkpoint.state["fingerprint"] != self.fingerprint:
            raise InputError(self.other_rows(checkpoint))

    def load_weights(self, folder: Path) -> None:
        """Load the weights that `write_weights` wrote."""
        self.model.load_weights(str(folder / "model.safetensors"))

    def load_state(self, checkpoint: Checkpoint) -> dict[str, Arrays]:
        """Load the weights of a checkpoint, and return the state of its optimizer."""
        self.load_weights(checkpoint.path)
        return checkpoint.optimizer_state()

    def whole_state(self, arrays: dict[str, Arrays]) -> dict[str, Arrays]:
        """The state of the optimizer as a checkpoint holds it."""
        return arrays

    def outdated(self) -> Collection[str]:
        """Paths in the folder that a new best model makes outdated."""
        return [*REPORTS, *([CHECKPOINTS, *self.unused_caches()] if self.is_new else [])]

    @abstractmethod
    def caches(self) -> Collection[str]:
        """The patterns of `CACHES` that this run uses; it has made sure that they are its own."""

    def unused_caches(self) -> list[str]:
        """What an earlier run in the folder has cached and this one cannot use."""
        unused = (pattern for pattern in CACHES if pattern not in self.caches())
        found = (path for pattern in unused for path in self.path.glob(pattern))
        return [path.relative_to(self.path).parts[0] for path in found]

    def go_on_from(self, checkpoint: Checkpoint, trainer: Trainer) -> None:
        """Restore the run from a checkpoint, and say so.

        Raises:
            InputError: if the data, the teacher or the base model of adapters differs from the
                checkpoint's, or if the run's best model is missing.
        """
        finish(self.path)
        self.require_same(checkpoint)
        trainer.step.state = StepState.from_arrays(self.load_state(checkpoint))
        trainer.restore(checkpoint.state)
        trainer.run_state.best = self._best_that_is_here(trainer.run_state)
        self.history = list(trainer.run_state.history)
        self.is_new = False
        log.info(f"resuming after step {trainer.run_state.step:,} from {checkpoint.path}")
        if nothing_left := nothing_left_note(trainer, self.path):
            log.info(nothing_left)

    def _best_that_is_here(self, state: RunState) -> Record | None:
        """The evaluation of the folder's weights; it may be later than the checkpoint."""
        if state.best is None:
            return None
        # Earlier versions wrote no checksums here.
        if (self.path / CHECKSUMS).exists() and (fault := fault_of(self.path, BEST)):
            raise InputError(
                f"`resume_from_checkpoint`: {fault}, and only the folder of the run has its best"
                " model: restore the file, or start a new run"
            )
        try:
            found = Record(**read_json(self.path / BEST))
            is_later = found.step > state.step
        except (OSError, ValueError, TypeError):
            raise InputError(
                f"`resume_from_checkpoint`: {self.path} has no {BEST}: leave the checkpoint in the"
                " folder of its run, which holds the best model"
            ) from None
        return found if is_later else state.best

    def learned(self) -> Arrays:
        """The parameters that a run saves."""
        return named_parameters(self.model)

    def require_space(self, trainer: Trainer) -> None:
        """Refuse a run whose model and checkpoints do not fit on the disk.

        Raises:
            InputError: says how much they need and how much is free.
        """
        model = size_of_weights(self.learned())
        state = sum(map(size_of_weights, trainer.step.state.arrays().values()))
        every, left = trainer.args.save_steps, trainer.args.total_steps - trainer.run_state.step
        # The best one and a new one come on top, until the oldest one is removed.
        count = min(left // every, self.settings.save_total_limit + 2) if every else 0
        # Files of an earlier run, which this one replaces.
        there = sum(size_of(self.path / name) for name in (*MODEL_FILES, CHECKPOINTS))
        needed = 2 * model + count * (model + state) - there
        what = f"the model and {count} checkpoints" if count else "two copies of the model"
        require_space(self.path, needed, "output_dir", what)

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        """Remove an incomplete checkpoint of a killed run, and those after the resumed one."""
        if (self.path / CHECKPOINTS).is_dir():
            remove_left(self.path / CHECKPOINTS)
        if resumed_at:
            for path in checkpoints_of(self.path):
                if (step := step_of(path)) is not None and step > resumed_at:
                    shutil.rmtree(path)

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        """Save the model if it is the best so far; write the history."""
        self.history.append(record)
        if not is_best:
            write_history(self.history, self.path)
            return

        def about(part: Path) -> None:
            write_text(part / BEST, json.dumps(asdict(record), indent=2) + "\n")
            write_history(self.history, part)

        self.save_model(self.outdated(), about)
        self.is_new = False

    def on_save(self, state: dict[str, Any], arrays: dict[str, Arrays]) -> None:
        """Write a checkpoint and remove old ones."""
        if self.is_new:
            # No evaluation has replaced the earlier run's files yet, so remove them here.
            with replacing(self.path, {*FILES, CHECKPOINTS, *self.unused_caches()} - {LOG}):
                pass
            self.is_new = False
        step, best = state["run_state"]["step"], state["run_state"]["best"]
        state = state | self.identity()
        write_checkpoint(self.path, step, self.write_model, self.whole_state(arrays), state)
        rotate(self.path, self.settings.save_total_limit, best and best["step"])

    def save_model(
        self, outdated: Collection[str] = (), about: Callable[[Path], None] = lambda part: None
    ) -> None:
        """Replace the model and its files in one atomic step.

        Args:
            outdated: paths in the folder to remove with the earlier model.
            about: writes more files into the given folder.
        """
        with replacing(self.path, {*MODEL_FILES, *outdated}) as part:
            self.write_model(part)
            about(part)
            # The temperature is folded into the model after its evaluation was written.
            best = [path for path in (part / BEST, self.path / BEST) if path.exists()]
            model = [path for path in sorted(part.iterdir()) if path.name in MODEL_FILES]
            write_checksums(part, best[:1] + model)

    def write_model(self, folder: Path) -> None:
        """Write the model, its tokenizer and the files of its run into a new folder."""
        self.write_weights(folder)
        save_tokenizer(self.tokenizer, folder)
        config = config_text(self.settings).encode("utf-8")
        (folder / RUN_CONFIG).write_bytes(config)
