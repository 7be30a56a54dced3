"""A check of resumption: a run from a checkpoint must equal the run that wrote it, bit for bit."""

import io
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from math import sqrt
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.files import read_safetensors
from mlx_finbert.checkpoints.save import write_safetensors
from mlx_finbert.data import load_texts
from mlx_finbert.models import build
from mlx_finbert.models.parameters import Arrays, named_parameters
from mlx_finbert.self_check.outcome import Measure
from mlx_finbert.self_check.subjects import SMALL
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.run import complete, run
from mlx_finbert.training.state import RunEnd

STEPS = 6
SAVED_AT = 3
APART = 0.05
"""Allowed difference of the weights where no run has the same bits, as a share of their way."""
WEIGHTS = "model.safetensors"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
COMMON_WORDS = 300


def resume() -> Iterator[Measure]:
    """Train a small model on the embedded sample; then go on from the middle, in a copy.

    Sums on a GPU may have another order in every run. If the same run from the start has other bits
    too, the resumed one must only be near.
    """
    with tempfile.TemporaryDirectory() as root, quiet():
        whole, copy, again = (Path(root) / name for name in ("whole", "copy", "again"))
        small = write_small_checkpoint(Path(root) / "small")
        train(settings_of(small, whole))
        shutil.copytree(whole, copy)
        train(complete({"resume_from_checkpoint": str(checkpoint_of(copy, SAVED_AT))}))
        expected, found = arrays_of(whole, STEPS), arrays_of(copy, STEPS)
        others = different(expected, found)
        if others:
            train(settings_of(small, again))
        if others and different(expected, arrays_of(again, STEPS)):
            way = distance(arrays_of(whole, SAVED_AT), expected)
            what = "a run here never has the same bits; way apart after the resume"
            yield Measure(what, distance(found, expected) / way, APART)
            return
        what = f"{len(expected)} arrays of the last checkpoint, bit for bit"
        yield Measure(f"{what}, but for {others[0]}" if others else what, float(len(others)), 0.0)


def settings_of(small: Path, output_dir: Path) -> TrainSettings:
    """A run of a few steps, with a checkpoint in the middle and one at the end."""
    return TrainSettings(
        model=str(small),
        data="sample",
        output_dir=str(output_dir),
        max_steps=STEPS,
        save_steps=SAVED_AT,
        max_train_rows=48,
        max_eval_rows=16,
        max_length=32,
        calibration=False,
    )


def train(settings: TrainSettings) -> None:
    """Train; Ctrl-C, which only ends a run, also ends the check."""
    if run(settings).end == RunEnd.INTERRUPTED:
        raise KeyboardInterrupt


def different(expected: Arrays, found: Arrays) -> list[str]:
    """The names of arrays that are missing or have other bits."""
    return [
        name
        for name, array in expected.items()
        if name not in found or not bool(mx.array_equal(array, found[name]).item())
    ]


def distance(one: Arrays, other: Arrays) -> float:
    """The norm of the difference of all weights."""
    names = [name for name in one if name.endswith(WEIGHTS)]
    squares = [mx.square(one[name] - other[name]).sum().item() for name in names]
    return sqrt(sum(float(np.array(square)) for square in squares))


def arrays_of(run_folder: Path, step: int) -> Arrays:
    """The weights and the optimizer's arrays in a run's checkpoint."""
    found: Arrays = {}
    for name in (WEIGHTS, "optimizer.safetensors"):
        arrays = read_safetensors(checkpoint_of(run_folder, step) / name)
        found |= {f"{key} in {name}": array for key, array in arrays.items()}
    return found


def checkpoint_of(run_folder: Path, step: int) -> Path:
    """The folder of a run's checkpoint."""
    return run_folder / "checkpoints" / f"step-{step:08d}"


def write_small_checkpoint(folder: Path) -> Path:
    """Write a small BERT with random weights, dropout, and a vocabulary for the sample."""
    folder.mkdir()
    sample = load_texts("sample")
    pieces = word_pieces(sample.texts)
    labels = {str(i): name for i, name in enumerate(sample.label_names)}
    config = SMALL["bert"] | {"vocab_size": len(pieces), "id2label": labels}
    config |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    mx.random.seed(0)
    write_safetensors(named_parameters(build(config)), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def word_pieces(texts: list[str]) -> list[str]:
    """Special tokens, the most frequent words, letters and digits."""
    words = Counter(" ".join(texts).lower().split())
    common = [word for word, _ in words.most_common(COMMON_WORDS) if word.isalnum()]
    pieces = [*SPECIAL, *common, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return list(dict.fromkeys(pieces))


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the messages of a run."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
