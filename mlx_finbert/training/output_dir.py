"""The output folder of a run: how it is chosen, and which files may be there already."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from mlx_finbert.checkpoints.adapters import require_other_folder
from mlx_finbert.checkpoints.files import MODEL_FILES
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish
from mlx_finbert.files.folder_lock import FolderInUse, claimed
from mlx_finbert.report import FILES as REPORT_FILES
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.integrations import LOG

BEST = "best.json"
"""The evaluation whose weights the folder holds."""

SUMMARY = "cross_validation.json"
"""Of the folds whose runs are in subfolders."""

REPORTS = ("README.md", "metrics.json", SUMMARY, *REPORT_FILES)
"""Files written at a run's end; after `--overwrite` they would describe the earlier model."""

FILES = (
    *sorted(MODEL_FILES),
    "history.json",
    "history.csv",
    BEST,
    LOG,
    *REPORTS,
)
"""All files that a run writes, or removes as an earlier model's."""


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


@contextmanager
def claimed_folder(
    settings: TrainSettings, resumed: Path | None = None, is_first: bool = True
) -> Iterator[Path]:
    """Lock the folder to write to against other commands, before hours of training.

    Only the first process does; the others write nothing.

    Args:
        settings: name the folder, or leave it to be chosen.
        resumed: the folder of the run to resume, if any.
        is_first: whether this is the first of several processes.

    Raises:
        FolderInUse: names the process that holds it.
        InputError: where it holds a run already.
    """
    if not is_first:
        yield Path(settings.output_dir or ".")
        return
    with ExitStack() as held:
        if resumed:
            folder = held.enter_context(claimed(resumed, "stop it first"))
        elif settings.output_dir:
            folder = Path(settings.output_dir).expanduser()
            held.enter_context(claimed(folder, "name another --output-dir"))
            # Another run may have ended there, or been killed, since the settings were read.
            finish(folder)
            check_output(settings)
        else:
            folder = _claim_new(settings, held)
        yield folder


def _claim_new(settings: TrainSettings, held: ExitStack) -> Path:
    for path in default_folders(settings):
        if not path.exists():
            try:
                return held.enter_context(claimed(path, "name an --output-dir"))
            except FolderInUse:
                # Started at the same moment as this run.
                continue
    raise AssertionError("default_folders never ends")


def default_folders(settings: TrainSettings) -> Iterator[Path]:
    """`runs/MODEL-DATA`, then the same with a number."""
    model, data = Path(settings.model).name, Path(settings.data).name
    name = f"runs/{model}-{data}".replace(":", "-").replace(".", "-")
    yield Path(name)
    yield from (Path(f"{name}-{i}") for i in count(2))
