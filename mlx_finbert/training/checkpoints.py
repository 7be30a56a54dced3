"""Checkpoints of a run: folders such as `step-00000020`, written atomically, with checksums.

Each holds a model that `load` opens, `optimizer.safetensors` (Adam's moments and step counts),
`state.json` (the result of `Trainer.state` and a fingerprint of the data), `config.yaml` (the
settings) and `checksums.json`.
"""

import json
import logging
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import RUN_CONFIG, read_safetensors
from mlx_finbert.checkpoints.save import write_safetensors
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import file_sha256
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.json_text import read_json, read_json_object
from mlx_finbert.models.parameters import Arrays
from mlx_finbert.training.prolonging import how_to_prolong

log = logging.getLogger(__name__)

FOLDER = "checkpoints"
UNCALIBRATED_HEAD = "uncalibrated_head.safetensors"
"""A file in `FOLDER`: the output layer of the run's best model before `fold_temperature`."""
CHECKSUMS = "checksums.json"
"""The file in a folder with the SHA-256 of other files there, by name."""


@dataclass
class Checkpoint:
    """A checkpoint whose checksums are correct."""

    path: Path
    state: dict[str, Any]

    @property
    def run_folder(self) -> Path:
        return self.path.parent.parent

    def optimizer_state(self) -> dict[str, Arrays]:
        """Read the state of the optimizer, by part and parameter."""
        state: dict[str, Arrays] = defaultdict(dict)
        for key, value in read_safetensors(self.path / "optimizer.safetensors").items():
            part, _, name = key.partition("/")
            state[part][name] = value
        return dict(state)


def write_checkpoint(
    run_folder: Path,
    step: int,
    write_model: Callable[[Path], None],
    optimizer_state: dict[str, Arrays],
    state: dict[str, Any],
) -> Path:
    """Write a checkpoint; its folder appears only when it is complete.

    Args:
        run_folder: folder of the run.
        step: number of finished updates.
        write_model: writes the model's files into a folder.
        optimizer_state: arrays by part and parameter.
        state: values that JSON can hold.
    """
    root = run_folder / FOLDER
    with replacing(root) as part:
        folder = part / f"step-{step:08d}"
        folder.mkdir()
        write_model(folder)
        arrays = {
            f"{p}/{name}": a for p, named in optimizer_state.items() for name, a in named.items()
        }
        write_safetensors(dict(sorted(arrays.items())), folder / "optimizer.safetensors")
        (folder / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        write_checksums(folder, sorted(folder.iterdir()))
    return root / folder.name


def write_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Write the checksums of files into a new folder."""
    sums = {file.name: file_sha256(file) for file in files}
    (folder / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n")


def rotate(run_folder: Path, keep: int, best_step: int | None) -> None:
    """Remove all checkpoints except the last `keep` and the one of the best evaluation."""
    found = checkpoints_of(run_folder)
    for path in found[: max(0, len(found) - keep)]:
        if step_of(path) != best_step:
            shutil.rmtree(path)


def checkpoints_of(run_folder: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    return sorted(path for path in (run_folder / FOLDER).glob("step-*") if path.is_dir())


def step_of(path: Path) -> int | None:
    """The step in the name of a checkpoint's folder; None for any other folder."""
    found = re.fullmatch(r"step-(\d+)", path.name)
    return int(found[1]) if found else None


def find_checkpoint(place: Path) -> Checkpoint:
    """Find the checkpoint to resume from; warn of each damaged one that is skipped.

    Args:
        place: the folder of a run, to use its last good checkpoint, or of one checkpoint.

    Raises:
        InputError: for a folder without checkpoints, and for a damaged checkpoint; names the
            damaged file and the last good checkpoint before it.
    """
    if step_of(place) is not None:
        finish(place.parent)
        return named_checkpoint(place)
    finish(place / FOLDER)
    found = checkpoints_of(place)
    if not found and (place / RUN_CONFIG).is_file():
        raise InputError(
            f"`resume_from_checkpoint={place}` holds a model, but no checkpoints;"
            f" {how_to_prolong(place)}"
        )
    if not found:
        raise InputError(
            f"`resume_from_checkpoint={place}` holds no checkpoints: give the folder of a run"
        )
    for path in reversed(found):
        if not (fault := fault_of(path)):
            return read_checkpoint(path)
        log.warning(f"{fault}: checkpoint skipped")
    raise InputError(
        f"`resume_from_checkpoint={place}`: all checkpoints ({len(found)}) are damaged; start a new"
        " run"
    )


def named_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint, or raise an error that names the last good one before it."""
    if not path.is_dir():
        raise InputError(f"`resume_from_checkpoint={path}`: there is no such checkpoint")
    fault = fault_of(path)
    if not fault:
        return read_checkpoint(path)
    before = [other for other in checkpoints_of(path.parent.parent) if other < path]
    good = next((other for other in reversed(before) if not fault_of(other)), None)
    earlier = f"use an earlier one: `resume_from_checkpoint={good}`"
    advice = earlier if good else "there is no good one before it"
    raise InputError(f"{fault}; {advice}")


def fault_of(path: Path, required: str = "state.json") -> str:
    """Describe the first damaged file of a folder; an empty string if there is none.

    Args:
        path: a checkpoint, or another folder with checksums.
        required: a file that must be in the checksums.
    """
    try:
        sums = read_json(path / CHECKSUMS)
        for name, expected in sums.items():
            if not (path / name).is_file():
                return f"{path / name} is missing"
            if file_sha256(path / name) != expected:
                return f"{path / name} is damaged (wrong checksum)"
    except (OSError, ValueError, AttributeError):
        return f"{path / CHECKSUMS} is missing or damaged"
    return "" if required in sums else f"{path / CHECKSUMS} does not list {required}"


def read_checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(path, read_json_object(path / "state.json"))
