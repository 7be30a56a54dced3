"""Compare the ways of forming batches: time, padding, and accuracy of the trained model.

    python scripts/bench/batches.py [--data NAME ...] [--ways WAY ...] [--seeds N] [--results FILE]
    python scripts/bench/batches.py --trainer --rounds 0 [...]

Prints a table of padding and seconds per epoch, measured in interleaved rounds, and one of
accuracy, macro-F1 and loss on test rows before calibration. Differences are relative to random
batches and paired by seed, with 95% intervals by Student's t. `packed` represents random batches,
since it has the same gradients (tests/training/test_loss_of_parameters.py). Runs take hours; those
already in the results are not repeated.

`--trainer` adds complete runs of transformers' Trainer, with random batches and with its grouping:
the same rows, epochs, batch size, learning rate, warm-up, decay and smoothing, but one learning
rate for all parameters.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from inputs import require_packages, write_checkpoint
from job import RunJob
from kept_runs import (
    DATA,
    WIDTH,
    Figures,
    Kept,
    drawn,
    figures_by,
    figures_of,
    fingerprint,
    interval,
    settings_of,
)
from machine import described, machine
from rounds import count, in_rounds
from workers import workers

from mlx_finbert.cli.command import command
from mlx_finbert.data import Splits
from mlx_finbert.distributed import quiet, ranks
from mlx_finbert.errors import InputError
from mlx_finbert.prefetch import background
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.prepare import load_model, make_loaders, make_trainer, width_of
from mlx_finbert.training.trainer import Trainer

BASELINE = "packed"
"""Represents random batches."""
WAYS: dict[str, dict[str, Any]] = {
    "packed": {"group_by_length": "packed"},
    "no": {"group_by_length": "no"},
    "parts of 2": {"group_by_length": "parts", "group_parts": 2},
    "parts of 3": {"group_by_length": "parts", "group_parts": 3},
    "parts of 4": {"group_by_length": "parts", "group_parts": 4},
    "windows of 2": {"group_by_length": "windows", "group_window": 2},
    "windows of 4": {"group_by_length": "windows", "group_window": 4},
    "windows of 8": {"group_by_length": "windows", "group_window": 8},
    "windows of 16": {"group_by_length": "windows", "group_window": 16},
    "windows of 50": {"group_by_length": "windows", "group_window": 50},
    "windows of 100": {"group_by_length": "windows", "group_window": 100},
    "jittered": {"group_by_length": "jittered"},
    "dealt": {"group_by_length": "dealt"},
    "at-first": {"group_by_length": "at-first"},
}
TRAINED_LENGTH = 512
"""Maximum length of MiniLM; no row of PhraseBank or FiQA is longer."""
SAME_GRADIENTS = ("no", "parts of 2", "parts of 3", "parts of 4")
"""Ways with the gradients of random batches: timed, but only trained on request."""

TRAINER = {"trainer": "random", "trainer-grouped": "group_by_length"}
"""The `train_sampling_strategy` by contender."""

FIGURES = ("accuracy", "macro_f1", "loss")


@command
def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    print(described(machine()))
    for name in arguments.data:
        print(f"\n{name}: {DATA[name].about}")
        if arguments.rounds:
            print(costs_table(name, arguments))
        if arguments.seeds:
            print(worth_table(name, arguments))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="data sets")
    parser.add_argument("--ways", nargs="+", choices=WAYS, metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--trainer", action="store_true", help="also run transformers' Trainer")
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="runs per way, up to 10; 0 disables"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="timed rounds; 0 disables"
    )
    parser.add_argument("--rows", type=count, default=640, metavar="N", help="rows per round")
    parser.add_argument("--results", metavar="FILE", help="file for the figures of runs")
    parser.add_argument("--folder", metavar="PATH", help="folder of the data files")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.seeds <= 10:
        raise InputError(f"--seeds is {arguments.seeds}: must be from 0 to 10")
    if arguments.rounds < 0:
        raise InputError(f"--rounds is {arguments.rounds}: must be at least 0")
    if arguments.trainer:
        require_packages("torch", "accelerate")
    return arguments


def costs_table(name: str, arguments: argparse.Namespace) -> str:
    """Padding of all training rows, and seconds of an epoch of some of them."""
    ways = arguments.ways or list(WAYS)
    epochs = {way: Epochs(name, way, arguments) for way in dict.fromkeys([BASELINE, *ways])}
    # The first round traces the step.
    answers = in_rounds(epochs, arguments.rounds + 1)
    seconds = {way: [answer["seconds"] for answer in of[1:]] for way, of in answers.items()}
    lines = [f"{'batches':<16}{'padding':>9}{'traces':>8}{'s an epoch':>12}{'/ ' + BASELINE:>10}"]
    for way, times in seconds.items():
        ratio = median(own / other for own, other in zip(times, seconds[BASELINE], strict=True))
        padding, traces = epochs[way].padding, epochs[way].trainer.step.traces
        lines.append(f"{way:<16}{padding:>9.1%}{traces:>8}{median(times):>12.2f}{ratio:>10.2f}")
    return "\n".join(lines)


class Epochs:
    """Epochs with one way of forming batches."""

    def __init__(self, name: str, way: str, arguments: argparse.Namespace) -> None:
        settings = settings_of(name, 0, WAYS[way], arguments.folder)
        splits = drawn(settings)
        self.padding = trainer_of(settings, splits).train_loader.padding_waste()
        few = splits.train.take(np.arange(len(splits.train))[: arguments.rows], "some rows")
        self.trainer = trainer_of(settings, replace(splits, train=few))
        self.updates = 0

    def __call__(self, number: int) -> dict[str, float]:
        """Run an epoch, without evaluation."""
        start = time.perf_counter()
        for update in self.trainer.train_loader.updates(number):
            self.trainer.step(update, self.updates, 1e-5)
            self.updates += 1
        self.trainer.step.wait()
        return {"seconds": time.perf_counter() - start}


def trainer_of(settings: TrainSettings, splits: Splits) -> Trainer:
    """A trainer for these rows, with its own model."""
    with quiet(), background() as thread:
        model, tokenizer, is_fresh = load_model(settings, splits.train.label_names)
        settings = settings.for_model(width_of(model), is_fresh)
        loaders = make_loaders(settings, splits, model, tokenizer, ranks(), thread)
        return make_trainer(settings, model, loaders, ranks())[0]


def worth_table(name: str, arguments: argparse.Namespace) -> str:
    """Means over seeds, and differences from random batches with the same seeds."""
    kept = Kept(arguments.results)
    ways = [BASELINE, *(arguments.ways or [way for way in WAYS if way not in SAME_GRADIENTS])]
    ways += TRAINER if arguments.trainer else []
    found = {way: runs(name, way, kept, arguments) for way in ways}
    lines = [f"{'batches':<16}{'seeds':>6}" + "".join(f"{figure:>28}" for figure in FIGURES)]
    for way, figures in found.items():
        cells = [cell(figures, found[BASELINE], figure, way == BASELINE) for figure in FIGURES]
        lines.append(f"{way:<16}{len(figures):>6}" + "".join(f"{cell:>28}" for cell in cells))
    return "\n".join(lines)


def runs(name: str, way: str, kept: Kept, arguments: argparse.Namespace) -> list[Figures]:
    """The figures of a way, one run per seed."""
    found = []
    for seed in range(arguments.seeds):
        settings = settings_of(name, seed, WAYS.get(way, {}), arguments.folder)
        make = partial(ours, settings)
        if way in TRAINER:
            make = partial(trainers, settings, TRAINER[way])
        key = {"data": name, "way": way, "seed": seed, "settings": fingerprint(settings)}
        found.append(kept.get(make, **key))
    return found


def ours(settings: TrainSettings) -> Figures:
    """The figures of a run of this library, on the test rows."""
    return figures_of(settings, drawn(settings))


def trainers(settings: TrainSettings, sampling: str) -> Figures:
    """The figures of a run of transformers' Trainer, in its own process."""
    splits = drawn(settings)
    job = RunJob(
        splits.train.texts,
        splits.train.label_names,
        settings.batch_size,
        settings.max_length or TRAINED_LENGTH,
        splits.train.label_ids.tolist(),
        splits.test.texts,
        {
            "num_train_epochs": settings.num_train_epochs,
            "learning_rate": settings.for_model(WIDTH, is_fresh=True).peak_rate,
            "warmup_steps": settings.warmup_ratio,
            "weight_decay": settings.weight_decay,
            "label_smoothing_factor": settings.label_smoothing_factor,
            "max_grad_norm": settings.max_grad_norm,
            "train_sampling_strategy": sampling,
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(settings.model, job.label_names, Path(folder), settings.seed)
        job.write(Path(folder))
        command = [sys.executable, str(Path(__file__).with_name("trainer_run.py")), folder]
        with workers({"trainer": command}) as warm:
            answer = warm["trainer"](settings.seed)
    figures = figures_by(np.array(answer["logits"]), splits.test.label_ids)
    return figures | {"seconds": answer["seconds"]}


def cell(figures: list[Figures], random: list[Figures], name: str, alone: bool) -> str:
    """A mean, and the difference from random batches with the half width of its interval."""
    mean = np.mean([run[name] for run in figures])
    if alone or len(figures) < 2:
        return f"{mean:.4f}"
    pairs = zip(figures, random, strict=True)
    difference, half = interval(run[name] - other[name] for run, other in pairs)
    return f"{mean:.4f} ({difference:+.4f} ± {half:.4f})"


if __name__ == "__main__":
    sys.exit(main())
