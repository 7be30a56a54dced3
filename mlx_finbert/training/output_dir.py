"""The output folder of a run: its default name, and the check for an earlier run's files."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

from mlx_finbert.checkpoints.adapters import require_other_folder
from mlx_finbert.checkpoints.files import MODEL_FILES
from mlx_finbert.data.sources.at_hand import IN_MEMORY
from mlx_finbert.data.token_store import ABOUT
from mlx_finbert.data.token_store import FOLDER as TOKENS_FOLDER
from mlx_finbert.distillation.logits import PATTERN as TEACHER_LOGITS
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish
from mlx_finbert.files.folder_lock import FolderInUse, claimed
from mlx_finbert.files.paths import local_path
from mlx_finbert.publishing.facts import FACTS
from mlx_finbert.report import FILES as REPORT_FILES
from mlx_finbert.training.checkpoints import CHECKSUMS
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.integrations import LOG

BEST = "best.json"
"""The evaluation whose weights the folder holds."""

SUMMARY = "cross_validation.json"
"""The summary of a cross-validation, whose folds are in subfolders."""

REPORTS = ("README.md", FACTS, "metrics.json", SUMMARY, *REPORT_FILES)
"""Files written at the end of a run; `overwrite` removes those of the earlier model first."""

FILES = (
    *sorted(MODEL_FILES),
    "history.json",
    "history.csv",
    BEST,
    CHECKSUMS,
    LOG,
    *REPORTS,
)
"""All files that a run writes, or removes because they belong to an earlier model."""


TOKENS = f"{TOKENS_FOLDER}/{ABOUT}"
"""What tells the tokens of a pretraining from a folder of the user's with that name."""

CACHES = (TOKENS, TEACHER_LOGITS)
"""What a run computes once and reads again when it is resumed or overwritten, by patterns."""


class RunSettings(Protocol):
    """What a folder needs of the settings of a run."""

    model: str
    data: str
    output_dir: str | None
    overwrite: bool
    resume_from_checkpoint: str | None


def check_output(settings: RunSettings) -> None:
    """Without `overwrite`, refuse an `output_dir` with files that a run would replace."""
    if settings.output_dir is None or settings.resume_from_checkpoint:
        return
    folder = local_path(settings.output_dir)
    if isinstance(settings, TrainSettings) and settings.lora():
        require_other_folder(folder, settings.model)
    taken = [name for name in (*FILES, CHECKPOINTS) if (folder / name).exists()]
    if taken and not settings.overwrite:
        raise InputError(
            f"`output_dir={folder}` holds {taken[0]} already: name another folder, or add"
            " `overwrite=True`"
        )


@contextmanager
def claimed_folder(settings: RunSettings, resumed: Path | None = None) -> Iterator[Path]:
    """Lock the output folder against other commands; for the process that writes into it.

    Args:
        settings: settings of the run; without an `output_dir`, a new folder is chosen.
        resumed: the folder of the run to resume, if any.

    Raises:
        FolderInUse: if another process uses the folder; names that process.
        InputError: if the folder already holds a run.
    """
    with ExitStack() as held:
        if resumed:
            folder = held.enter_context(claimed(resumed, "stop it first"))
        elif settings.output_dir:
            folder = local_path(settings.output_dir)
            held.enter_context(claimed(folder, "name another `output_dir`"))
            # Another run may have finished or been killed there since the settings were read.
            finish(folder)
            check_output(settings)
        else:
            folder = _claim_new(settings, held)
        yield folder


def _claim_new(settings: RunSettings, held: ExitStack) -> Path:
    for path in default_folders(settings):
        if not path.exists():
            try:
                return held.enter_context(claimed(path, "name an `output_dir`"))
            except FolderInUse:
                # Another run started at the same moment.
                continue
    raise AssertionError("default_folders never ends")


def default_folders(settings: RunSettings) -> Iterator[Path]:
    """`runs/MODEL-DATA`, then the same name with a number."""
    model, data = Path(settings.model).name, Path(settings.data).name
    if settings.data.startswith(IN_MEMORY):
        data = "in-memory"
    name = f"runs/{model}-{data}".replace(":", "-").replace(".", "-")
    yield Path(name)
    yield from (Path(f"{name}-{i}") for i in count(2))
