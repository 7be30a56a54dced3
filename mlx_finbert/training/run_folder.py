"""The output folder of a fine-tuning: its model, checkpoints and reports."""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.checkpoints.adapters import load_adapters, require_base, write_adapters
from mlx_finbert.checkpoints.files import SEEN_TEXTS, read_safetensors
from mlx_finbert.checkpoints.into_model import fold_temperature
from mlx_finbert.checkpoints.save import write_model, write_safetensors
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import Arrays, named_parameters, trainable_parameters
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.checkpoints import UNCALIBRATED_HEAD, Checkpoint, checkpoints_of
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.output_dir import TEACHER_LOGITS
from mlx_finbert.training.run_files import RunFiles
from mlx_finbert.training.trimmed_vocabulary import TrimmedVocabulary

OTHER_ROWS = (
    "its texts, labels or tokens differ, or the run is from an earlier version, which split the"
    " rows differently"
)


@dataclass
class RunFolder(RunFiles):
    """Write the files of a fine-tuning, each of them atomically."""

    settings: TrainSettings
    model: Classifier
    seen: SeenTexts
    """The texts of its rows, and those that the model had seen before the run."""
    vocabulary: TrimmedVocabulary | None = None
    """The trimmed vocabulary of the model during training, if any."""
    teacher_sha256: str | None = None
    """Hash of the teacher of a distillation."""

    def other_rows(self, checkpoint: Checkpoint) -> str:
        then = SeenTexts.read(checkpoint.path / SEEN_TEXTS)
        what = then.difference(self.seen) if then else OTHER_ROWS
        given = "`data` and `unlabelled`" if self.settings.unlabelled else "`data`"
        return (
            f"`resume_from_checkpoint={checkpoint.path}`: {self.settings.data} is not what this run"
            f" was trained on: {what}; give the original data with {given}, or start a new run"
        )

    def identity(self) -> dict[str, str]:
        teacher = {"teacher_sha256": self.teacher_sha256} if self.teacher_sha256 else {}
        return super().identity() | teacher

    def caches(self) -> Collection[str]:
        return [TEACHER_LOGITS] if self.teacher_sha256 else []

    def taught_by(self, teacher_sha256: str, checkpoint: Checkpoint | None) -> None:
        """Note the hash of the teacher; refuse another one than a checkpoint's, or other rows."""
        self.teacher_sha256 = teacher_sha256
        if checkpoint:
            self.require_same(checkpoint)

    def require_same(self, checkpoint: Checkpoint) -> None:
        """Refuse a checkpoint of a run on other rows or with another teacher."""
        super().require_same(checkpoint)
        if checkpoint.state.get("teacher_sha256") != self.teacher_sha256:
            raise InputError(
                f"`resume_from_checkpoint={checkpoint.path}`: {self.settings.teacher} is not the"
                " teacher of this run: its weights, labels or tokenizer differ; give the original"
                " one with `teacher`, or start a new run"
            )

    def load_state(self, checkpoint: Checkpoint) -> dict[str, Arrays]:
        """Load the weights of a checkpoint, and return the state of its optimizer."""
        if self.settings.lora():
            require_base(self.model, checkpoint.path)
        if not self.vocabulary:
            return super().load_state(checkpoint)
        with self.vocabulary.whole():
            state = super().load_state(checkpoint)
            table = self.vocabulary.embedding.weight
        return self.vocabulary.go_on_from(table, state)

    def whole_state(self, arrays: dict[str, Arrays]) -> dict[str, Arrays]:
        """The state of the optimizer as a checkpoint holds it."""
        return self.vocabulary.whole_state(arrays) if self.vocabulary else arrays

    def outdated(self) -> Collection[str]:
        """Paths in the folder that a new best model makes outdated."""
        # Of this run's previous best model.
        head = self.uncalibrated_head.relative_to(self.path)
        return [*super().outdated(), *([] if self.is_new else [str(head)])]

    def learned(self) -> Arrays:
        parts = trainable_parameters if self.settings.lora() else named_parameters
        return parts(self.model)

    def write_weights(self, folder: Path) -> None:
        """Write the model without its tokenizer, and the texts that it has seen."""
        if lora := self.settings.lora():
            base, revision = self.settings.model, self.settings.revision
            write_adapters(self.model, folder, lora, base, revision)
        else:
            with self.vocabulary.whole() if self.vocabulary else nullcontext():
                write_model(self.model, folder)
        (folder / SEEN_TEXTS).write_bytes(self.seen.to_bytes())

    def load_weights(self, folder: Path) -> None:
        """Load the weights that `write_weights` wrote."""
        if self.settings.lora():
            load_adapters(self.model, folder)
        else:
            super().load_weights(folder)

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
