"""The folder that a run leaves: its name, its model, and what is written about it."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from itertools import count
from pathlib import Path

from mlx_finbert.adapters import load_adapters, save_adapters
from mlx_finbert.atomic import write_text
from mlx_finbert.checkpoint import save
from mlx_finbert.data.loader import Loader
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier
from mlx_finbert.report import FILES as REPORT_FILES
from mlx_finbert.report import Report, metrics_of, write_report
from mlx_finbert.settings import write_config_file
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training.callback import Callback
from mlx_finbert.training.card import model_card
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.checkpoints import Checkpoint, rotate, write_checkpoint
from mlx_finbert.training.fit import Fit
from mlx_finbert.training.history import write_history
from mlx_finbert.training.record import Record
from mlx_finbert.training.reporters import LOG
from mlx_finbert.training.settings import TrainSettings

REPORTS = ("README.md", "metrics.json", *REPORT_FILES)
"""What is written at a run's end, and would be another model's after `--overwrite`."""

FILES = (
    "config.json",
    "model.safetensors",
    "adapter_config.json",
    "adapters.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "config.yaml",
    "history.json",
    "history.csv",
    LOG,
    *REPORTS,
)
"""All the files that a run writes."""


def check_output(settings: TrainSettings) -> None:
    """Refuse an `--output-dir` with files that a run would replace, without `--overwrite`."""
    if settings.output_dir is None or settings.overwrite or settings.resume:
        return
    folder = Path(settings.output_dir).expanduser()
    taken = [name for name in (*FILES, CHECKPOINTS) if (folder / name).exists()]
    if taken:
        raise InputError(
            f"--output-dir {folder} holds {taken[0]} already: name another folder, or add"
            " --overwrite"
        )


def claim_folder(settings: TrainSettings, is_first: bool = True) -> Path:
    """Make the folder to write to, before hours of training, and try that it can be written.

    The first process alone does it; the others write nothing.
    """
    if not is_first:
        return Path(settings.output_dir or ".")
    if settings.output_dir is None:
        folder = next(path for path in default_folders(settings) if _made(path))
    else:
        folder = Path(settings.output_dir).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def _made(path: Path) -> bool:
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def default_folders(settings: TrainSettings) -> Iterator[Path]:
    """`runs/MODEL-DATA`, then the same with a number."""
    model, data = Path(settings.model).name, Path(settings.data).name
    name = f"runs/{model}-{data}".replace(":", "-").replace(".", "-")
    yield Path(name)
    yield from (Path(f"{name}-{i}") for i in count(2))


@dataclass
class RunFolder(Callback):
    """Writes a run's files, each of them whole."""

    path: Path
    settings: TrainSettings
    model: Classifier
    tokenizer: Tokenizer
    fingerprint: str
    """Of the rows that are trained on and validated with."""
    history: list[Record] = field(default_factory=list)
    is_new: bool = True
    """Whether what lies in the folder is an earlier run's."""

    def go_on_from(self, checkpoint: Checkpoint, fit: Fit) -> None:
        """Put everything back as it was at a checkpoint.

        Raises:
            InputError: where the data is not what the checkpoint was trained on.
        """
        if checkpoint.state["fingerprint"] != self.fingerprint:
            raise InputError(
                f"--resume {checkpoint.path}: {self.settings.data} is not what this run was"
                " trained on: its texts, labels or tokens are others now"
            )
        self.load_weights(checkpoint.path)
        fit.step.state = checkpoint.optimizer_state()
        fit.restore(checkpoint.state)
        self.history = list(fit.run_state.history)
        self.is_new = False

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        """Keep the weights of the best evaluation, and the history of all."""
        self._clear_earlier_run()
        self.history.append(record)
        if is_best:
            self.save_model(self.path)
        write_history(self.history, self.path)

    def on_save(self, fit: Fit) -> None:
        """Write a checkpoint, and remove those that are not to be kept."""
        self._clear_earlier_run()
        state = fit.state() | {"fingerprint": self.fingerprint}
        step, best = fit.run_state.step, fit.run_state.best
        write_checkpoint(self.path, step, self.save_model, fit.step.state, state)
        rotate(self.path, self.settings.keep, best.step if best else None)

    def _clear_earlier_run(self) -> None:
        if self.is_new:
            for name in REPORTS:
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)
        self.is_new = False

    def save_model(self, folder: Path) -> None:
        """The model as it is now, its tokenizer and the settings."""
        if lora := self.settings.lora():
            base, revision = self.settings.model, self.settings.revision
            save_adapters(self.model, self.tokenizer, folder, lora, base, revision)
        else:
            save(self.model, self.tokenizer, folder)
        write_config_file(self.settings, folder / "config.yaml")

    def load_weights(self, folder: Path) -> None:
        """Put the weights that `save_model` wrote into the model."""
        if self.settings.lora():
            load_adapters(self.model, folder)
        else:
            self.model.load_weights(str(folder / "model.safetensors"))

    def report(self, report: Report, best: Record, train_rows: int, licence: str) -> None:
        """Write the report, its figures as JSON, and the model card."""
        write_report(self.path, report)
        figures = metrics_of(report) if report.results else {}
        if figures:
            write_text(self.path / "metrics.json", json.dumps(figures, indent=2) + "\n")
        card = model_card(
            self.settings, self.path, self.model.args, train_rows, licence, best, figures
        )
        write_text(self.path / "README.md", card)

    def report_of(self, ending: str, best: Record, **more: object) -> Report:
        """What the folder knows of a report's content."""
        settings, names = self.settings, fields(self.settings)
        return Report(
            title=self.path.name,
            model=settings.model,
            data=settings.data,
            ending=ending,
            settings={f.name: getattr(settings, f.name) for f in names},
            defaults={f.name: f.default for f in names},
            history=[asdict(record) for record in self.history],
            best_step=best.step,
            label_names=self.model.args.labels,
            temperature=self.model.args.calibration_temperature,
            **more,
        )


def fingerprint_of(*loaders: Loader) -> str:
    """A hash, in hexadecimal, of the tokens and labels of loaders."""
    digest = hashlib.sha256()
    for loader in loaders:
        for array in (loader.tokens.ids, loader.tokens.offsets, loader.labels):
            digest.update(array.tobytes())
    return digest.hexdigest()
