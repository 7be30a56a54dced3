"""Where a run goes: the choice of its folder, and what may lie there already."""

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from mlx_finbert.adapters import require_other_folder
from mlx_finbert.errors import InputError
from mlx_finbert.report import FILES as REPORT_FILES
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.reporters import LOG
from mlx_finbert.training.settings import TrainSettings
from mlx_finbert.weights import RUN_FILES

BEST = "best.json"
"""The evaluation whose weights the folder holds."""

REPORTS = ("README.md", "metrics.json", *REPORT_FILES)
"""What is written at a run's end, and would be another model's after `--overwrite`."""

FILES = (
    "config.json",
    "model.safetensors",
    "adapter_config.json",
    "adapters.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    *RUN_FILES,
    "history.json",
    "history.csv",
    BEST,
    LOG,
    *REPORTS,
)
"""All the files that a run writes."""


def check_output(settings: TrainSettings) -> None:
    """Refuse an `--output-dir` with files that a run would replace, without `--overwrite`."""
    if settings.output_dir is None or settings.resume:
        return
    folder = Path(settings.output_dir).expanduser()
    if settings.lora():
        require_other_folder(folder, settings.model)
    taken = [name for name in (*FILES, CHECKPOINTS) if (folder / name).exists()]
    if taken and not settings.overwrite:
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
