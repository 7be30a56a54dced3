"""The folder that a run leaves: its name, its model, and what is written about it."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from mlx_finbert.atomic import write_text
from mlx_finbert.checkpoint import save
from mlx_finbert.errors import InputError
from mlx_finbert.metrics import Metrics
from mlx_finbert.models import Classifier
from mlx_finbert.settings import write_config_file
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training.card import model_card
from mlx_finbert.training.fit import Record
from mlx_finbert.training.history import draw_confusion, draw_curves, write_history
from mlx_finbert.training.settings import TrainSettings

INTERRUPTED = "interrupted"
"""Subfolder for the weights of the last step after Ctrl-C; the folder itself keeps the best."""

REPORTS = ("README.md", "metrics.json", "curves.png", "confusion.png")
"""What is written at a run's end, and would be another model's after `--overwrite`."""

FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "config.yaml",
    "history.json",
    "history.csv",
    *REPORTS,
)
"""All that a run writes."""


def check_output(settings: TrainSettings) -> None:
    """Refuse an `--output-dir` with files that a run would replace, without `--overwrite`."""
    if settings.output_dir is None or settings.overwrite:
        return
    folder = Path(settings.output_dir).expanduser()
    taken = [name for name in FILES if (folder / name).exists()]
    if taken:
        raise InputError(
            f"--output-dir {folder} holds {taken[0]} already: name another folder, or add"
            " --overwrite"
        )


def claim_folder(settings: TrainSettings) -> Path:
    """Make the folder to write to, before hours of training, and try that it can be written."""
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
class RunFolder:
    """Writes a run's files, each of them whole."""

    path: Path
    settings: TrainSettings
    model: Classifier
    tokenizer: Tokenizer
    history: list[Record] = field(default_factory=list)

    def record(self, record: Record, is_best: bool) -> None:
        """Keep the weights of the best evaluation, and the history of all."""
        if not self.history:
            for name in REPORTS:
                (self.path / name).unlink(missing_ok=True)
        self.history.append(record)
        if is_best:
            save(self.model, self.tokenizer, self.path)
            write_config_file(self.settings, self.path / "config.yaml")
        write_history(self.history, self.path)

    def keep_interrupted(self) -> None:
        """Save the weights of the last step beside the best."""
        folder = save(self.model, self.tokenizer, self.path / INTERRUPTED)
        write_config_file(self.settings, folder / "config.yaml")

    def load_best(self) -> None:
        """Put the weights of the best evaluation into the model."""
        self.model.load_weights(str(self.path / "model.safetensors"))

    def report(self, best: Record, train_rows: int, licence: str, test: Metrics | None) -> None:
        """Draw the curves and write the model card; with test figures, their files too."""
        draw_curves(self.history, self.path / "curves.png")
        if test:
            labels = self.model.args.labels
            figures = {"split": "test", **test.to_dict(labels)}
            write_text(self.path / "metrics.json", json.dumps(figures, indent=2) + "\n")
            draw_confusion(test.confusion, labels, self.path / "confusion.png")
        card = model_card(
            self.settings, self.path, self.model.args, train_rows, licence, best, test
        )
        write_text(self.path / "README.md", card)
