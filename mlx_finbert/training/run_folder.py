"""The output folder of a run: its model, checkpoints and reports."""

import json
import shutil
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.adapters import load_adapters, require_base, write_adapters
from mlx_finbert.checkpoints.files import MODEL_FILES, RUN_CONFIG, SEEN_TEXTS, read_safetensors
from mlx_finbert.checkpoints.into_model import fold_temperature
from mlx_finbert.checkpoints.save import size_of_weights, write_model, write_safetensors
from mlx_finbert.checkpoints.tokenizer import Tokenizer, save_tokenizer
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import remove_left, write_text
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.space import require_space, size_of
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import Arrays, named_parameters, trainable_parameters
from mlx_finbert.settings import config_text
from mlx_finbert.training.callbacks import Callback, write_history
from mlx_finbert.training.checkpoints import (
    CHECKSUMS,
    UNCALIBRATED_HEAD,
    Checkpoint,
    checkpoints_of,
    fault_of,
    rotate,
    step_of,
    write_checkpoint,
    write_checksums,
)
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.integrations import LOG
from mlx_finbert.training.output_dir import BEST, FILES, REPORTS
from mlx_finbert.training.state import Record, RunState
from mlx_finbert.training.step import StepState
from mlx_finbert.training.trainer import Trainer
from mlx_finbert.training.trimmed_vocabulary import TrimmedVocabulary

OTHER_ROWS = (
    "its texts, labels or tokens differ, or the run is from an earlier version, which split the"
    " rows differently"
)


@dataclass
class RunFolder(Callback):
    """Write the files of a run, each of them atomically."""

    path: Path
    settings: TrainSettings
    model: Classifier
    tokenizer: Tokenizer
    fingerprint: str
    """Hash of the training and validation rows."""
    seen: SeenTexts
    """The texts of these rows, and those that the model had seen before the run."""
    vocabulary: TrimmedVocabulary | None = None
    """The trimmed vocabulary of the model during training, if any."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """The defaults of the settings, for the report."""
    history: list[Record] = field(default_factory=list)
    teacher_sha256: str | None = None
    """Hash of the teacher of a distillation."""
    is_new: bool = True
    """Whether this run has not written a model yet: files in the folder are of an earlier run."""

    def go_on_from(self, checkpoint: Checkpoint, trainer: Trainer) -> None:
        """Restore the run from a checkpoint.

        Raises:
            InputError: if the data, the teacher or the base model of adapters differs from the
                checkpoint's, or if the run's best model is missing.
        """
        finish(self.path)
        if checkpoint.state["fingerprint"] != self.fingerprint:
            then = SeenTexts.read(checkpoint.path / SEEN_TEXTS)
            what = then.difference(self.seen) if then else OTHER_ROWS
            given = "`data` and `unlabelled`" if self.settings.unlabelled else "`data`"
            raise InputError(
                f"`resume_from_checkpoint={checkpoint.path}`: {self.settings.data} is not what this"
                f" run was trained on: {what}; give the original data with {given}, or start a new"
                " run"
            )
        if checkpoint.state.get("teacher_sha256") != self.teacher_sha256:
            raise InputError(
                f"`resume_from_checkpoint={checkpoint.path}`: {self.settings.teacher} is not the"
                " teacher of this run: its weights, labels or tokenizer differ; give the original"
                " one with `teacher`, or start a new run"
            )
        if self.settings.lora():
            require_base(self.model, checkpoint.path)
        state = checkpoint.optimizer_state()
        if self.vocabulary:
            with self.vocabulary.whole():
                self.load_weights(checkpoint.path)
                table = self.vocabulary.embedding.weight
            state = self.vocabulary.go_on_from(table, state)
        else:
            self.load_weights(checkpoint.path)
        trainer.step.state = StepState.from_arrays(state)
        trainer.restore(checkpoint.state)
        trainer.run_state.best = self._best_that_is_here(trainer.run_state)
        self.history = list(trainer.run_state.history)
        self.is_new = False

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
            found = Record(**json.loads((self.path / BEST).read_text()))
        except (OSError, ValueError, TypeError):
            raise InputError(
                f"`resume_from_checkpoint`: {self.path} has no {BEST}: leave the checkpoint in the"
                " folder of its run, which holds the best model"
            ) from None
        return found if found.step > state.step else state.best

    def require_space(self, trainer: Trainer) -> None:
        """Refuse a run whose model and checkpoints do not fit on the disk.

        Raises:
            InputError: says how much they need and how much is free.
        """
        parts = trainable_parameters if self.settings.lora() else named_parameters
        model = size_of_weights(parts(self.model))
        state = sum(map(size_of_weights, trainer.step.state.arrays().values()))
        every, left = trainer.args.save_steps, trainer.args.total_steps - trainer.run_state.step
        # The best one and a new one come on top, until the oldest one is removed.
        count = min(left // every, self.settings.save_total_limit + 2) if every else 0
        needed = 2 * model + count * (model + state) - size_of(self.path)
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

        # Outdated files of an earlier run, or of this run's previous best model.
        head = self.uncalibrated_head.relative_to(self.path)
        self.save_model([*REPORTS, CHECKPOINTS if self.is_new else str(head)], about)
        self.is_new = False

    def on_save(self, state: dict[str, Any], arrays: dict[str, Arrays]) -> None:
        """Write a checkpoint and remove old ones."""
        if self.is_new:
            # No evaluation has replaced the earlier run's files yet, so remove them here.
            with replacing(self.path, {*FILES, CHECKPOINTS} - {LOG}):
                pass
            self.is_new = False
        if self.vocabulary:
            arrays = self.vocabulary.whole_state(arrays)
        step, best = state["run_state"]["step"], state["run_state"]["best"]
        state = state | {"fingerprint": self.fingerprint}
        if self.teacher_sha256:
            state["teacher_sha256"] = self.teacher_sha256
        write_checkpoint(self.path, step, self.write_model, arrays, state)
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
        if lora := self.settings.lora():
            base, revision = self.settings.model, self.settings.revision
            write_adapters(self.model, folder, lora, base, revision)
        else:
            with self.vocabulary.whole() if self.vocabulary else nullcontext():
                write_model(self.model, folder)
        save_tokenizer(self.tokenizer, folder)
        config = config_text(self.settings).encode("utf-8")
        (folder / RUN_CONFIG).write_bytes(config)
        (folder / SEEN_TEXTS).write_bytes(self.seen.to_bytes())

    def load_weights(self, folder: Path) -> None:
        """Load the weights that `write_model` wrote."""
        if self.settings.lora():
            load_adapters(self.model, folder)
        else:
            self.model.load_weights(str(folder / "model.safetensors"))

    @property
    def uncalibrated_head(self) -> Path:
        return self.path / CHECKPOINTS / UNCALIBRATED_HEAD

    def save_calibrated(self, temperature: float) -> None:
        """Save the model with the temperature in its output layer; in memory it is unchanged.

        A resumed run fits the temperature again, to uncalibrated logits. So the uncalibrated output
        layer is saved too. It is saved first, so that a kill in between does no harm.
        """
        layer = self.model.output_layer
        uncalibrated = dict(layer.parameters())
        if checkpoints_of(self.path):
            with replacing(self.uncalibrated_head.parent) as part:
                write_safetensors(uncalibrated, part / UNCALIBRATED_HEAD)
        fold_temperature(self.model, temperature)
        self.save_model()
        layer.update(uncalibrated)

    def load_best(self) -> None:
        """Load the weights of the best evaluation, without calibration."""
        self.load_weights(self.path)
        if self.uncalibrated_head.is_file():
            self.model.output_layer.update(read_safetensors(self.uncalibrated_head))
