"""Checkpoints of a run: folders `step-00000020`, each whole and with checksums.

One holds a model that `load` opens, `optimizer.safetensors` (Adam's moments and step counts),
`state.json` (what `Trainer.state` gives, and a fingerprint of the data), `config.yaml` (the
settings) and `checksums.json`.
"""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.files import read_safetensors, write_safetensors
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish, written_beside
from mlx_finbert.files.hashes import file_sha256
from mlx_finbert.models.parameters import Arrays

FOLDER = "checkpoints"
UNCALIBRATED_HEAD = "uncalibrated_head.safetensors"
"""In that folder: the output layer of the run's best model before `fold_temperature`."""
CHECKSUMS = "checksums.json"


@dataclass
class Checkpoint:
    """A checkpoint that was found whole."""

    path: Path
    state: dict[str, Any]

    @property
    def run_folder(self) -> Path:
        return self.path.parent.parent

    def optimizer_state(self) -> dict[str, Arrays]:
        """Adam's, by part and parameter."""
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
    """A new folder under `checkpoints`, which appears when all of it is written.

    Args:
        run_folder: the run's.
        step: updates done.
        write_model: writes the model's files into a folder.
        optimizer_state: arrays by part and parameter.
        state: plain values.
    """
    root = run_folder / FOLDER
    with written_beside(root) as part:
        folder = part / f"step-{step:08d}"
        folder.mkdir()
        write_model(folder)
        arrays = {
            f"{p}/{name}": a for p, named in optimizer_state.items() for name, a in named.items()
        }
        write_safetensors(dict(sorted(arrays.items())), folder / "optimizer.safetensors")
        (folder / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        sums = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
        (folder / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n")
    return root / folder.name


def rotate(run_folder: Path, keep: int, best_step: int | None) -> None:
    """Remove all checkpoints but the last `keep` and that of the best evaluation."""
    found = checkpoints_of(run_folder)
    for path in found[: max(0, len(found) - keep)]:
        if step_of(path) != best_step:
            shutil.rmtree(path)


def checkpoints_of(run_folder: Path) -> list[Path]:
    """The folders of a run's checkpoints, oldest first."""
    return sorted(path for path in (run_folder / FOLDER).glob("step-*") if path.is_dir())


def step_of(path: Path) -> int | None:
    """Updates done at a checkpoint, by the name of its folder; None for another folder."""
    found = re.fullmatch(r"step-(\d+)", path.name)
    return int(found[1]) if found else None


def find_checkpoint(place: Path, say: Callable[[str], None]) -> Checkpoint:
    """The checkpoint to go on from.

    Args:
        place: a run's folder, whose last good checkpoint is taken, or one checkpoint.
        say: takes a sentence on each damaged one that is passed over.

    Raises:
        InputError: for a folder without checkpoints; for one that is damaged, naming the file and
            the good one before it.
    """
    if step_of(place) is not None:
        finish(place.parent)
        return named_checkpoint(place)
    finish(place / FOLDER)
    found = checkpoints_of(place)
    if not found:
        raise InputError(f"--resume {place} holds no checkpoints: name a run's folder")
    for path in reversed(found):
        if not (fault := fault_of(path)):
            return read_checkpoint(path)
        say(f"{fault}: passed over")
    raise InputError(f"--resume {place}: none of its {len(found)} checkpoints is whole")


def named_checkpoint(path: Path) -> Checkpoint:
    """One checkpoint, or a sentence on what is wrong with it and which one to take."""
    if not path.is_dir():
        raise InputError(f"--resume {path}: there is no such checkpoint")
    fault = fault_of(path)
    if not fault:
        return read_checkpoint(path)
    before = [other for other in checkpoints_of(path.parent.parent) if other < path]
    good = next((other for other in reversed(before) if not fault_of(other)), None)
    advice = (
        f"resume from the one before it, --resume {good}" if good else "there is none before it"
    )
    raise InputError(f"{fault}; {advice}")


def fault_of(path: Path) -> str:
    """What is wrong with a checkpoint, by file; empty where all checksums are right."""
    try:
        sums = json.loads((path / CHECKSUMS).read_text())
        for name, expected in sums.items():
            if not (path / name).is_file():
                return f"{path / name} is missing"
            if file_sha256(path / name) != expected:
                return f"{path / name} is damaged: it does not have its checksum"
    except (OSError, ValueError, AttributeError):
        return f"{path / CHECKSUMS} is missing or damaged"
    return "" if "state.json" in sums else f"{path / CHECKSUMS} does not list state.json"


def read_checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(path, json.loads((path / "state.json").read_text()))
