"""Compare two values of each default setting, without using the test rows.

    python scripts/bench/defaults.py [--data NAME ...] [--results FILE] [--folder PATH]
    python scripts/bench/defaults.py --setting num_train_epochs --values 5 3 4 --seeds 3 [...]
    python scripts/bench/defaults.py --setting learning_rate --values 5e-4 1e-3 --with lora_rank=8

The first makes twelve runs per data set, after Plackett and Burman (1946). Every setting has its
second value in six of them, and within these six all other settings are balanced. So the effect of
the second value is the mean of these six runs minus the mean of the other six, and each run informs
about all settings. A setting that does nothing shows the effect of chance. Test rows are not used:
a fifth of the other rows is held out, half to choose the best epoch and half to measure, before
calibration.

The others compare values of one setting, with the defaults of all others but those of `--with`:
means over seeds, measured on that whole fifth.
"""

import argparse
import sys
from functools import partial
from typing import Any, get_type_hints

import numpy as np
from kept_runs import (
    DATA,
    Kept,
    drawn_without_test_rows,
    figures_of,
    fingerprint,
    settings_of,
)
from machine import described, machine
from rounds import count

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import from_text
from mlx_finbert.errors import InputError
from mlx_finbert.training.config import TrainSettings

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "--learning-rate 1e-4, 2e-4": ({"learning_rate": 1e-4}, {"learning_rate": 2e-4}),
    "--label-smoothing-factor 0, 0.1": (
        {"label_smoothing_factor": 0.0},
        {"label_smoothing_factor": 0.1},
    ),
    "--head-learning-rate as the rest, 1e-3": ({}, {"head_learning_rate": 1e-3}),
    "--dropout, --attention-dropout 0.1, 0.2": (
        {"dropout": 0.1, "attention_dropout": 0.1},
        {"dropout": 0.2, "attention_dropout": 0.2},
    ),
    "--weight-decay 0.01, 0.1": ({"weight_decay": 0.01}, {"weight_decay": 0.1}),
    "--warmup-ratio 0.1, 0.2": ({"warmup_ratio": 0.1}, {"warmup_ratio": 0.2}),
    "--num-train-epochs 5, 3": ({"num_train_epochs": 5}, {"num_train_epochs": 3}),
    "--batch-size 16, 32": ({"batch_size": 16}, {"batch_size": 32}),
    "--layer-decay 1, 0.85": ({"layer_decay": 1.0}, {"layer_decay": 0.85}),
    "--metric-for-best-model last, val_macro_f1": (
        {"metric_for_best_model": "last"},
        {"metric_for_best_model": "val_macro_f1"},
    ),
    "(nothing)": ({}, {}),
}
"""Flags for the first and the second value."""

FIRST_RUN = np.array([1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0])
DESIGN = np.array([*(np.roll(FIRST_RUN, i) for i in range(11)), np.zeros(11, int)])
"""(12 runs, 11 settings): 1 for the second value. Plackett and Burman's design: each run is the
previous one shifted by one, and one run has only first values."""

FIGURES = ("accuracy", "macro_f1", "loss", "calibration_error", "temperature")


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    chosen = [name for name in DATA if name != "imdb"]
    parser.add_argument("--data", nargs="+", choices=DATA, default=chosen, help="data sets")
    parser.add_argument("--results", metavar="FILE", help="file for the figures of runs")
    parser.add_argument("--folder", metavar="PATH", help="folder of the data files")
    parser.add_argument("--setting", choices=get_type_hints(TrainSettings), metavar="NAME")
    parser.add_argument("--values", nargs="+", default=[], metavar="VALUE", help="of --setting")
    parser.add_argument(
        "--with", nargs="+", default=[], metavar="NAME=VALUE", dest="fixed", help="other settings"
    )
    parser.add_argument("--seeds", type=count, default=3, metavar="N", help="runs of each value")
    arguments = parser.parse_args(argv)
    if arguments.setting and not arguments.values:
        raise InputError("--values is missing: name those of --setting to compare")
    if arguments.fixed and not arguments.setting:
        raise InputError("--with applies only to --setting: add it, or leave out --with")
    print(described(machine()))
    kept = Kept(arguments.results)
    for name in arguments.data:
        if arguments.setting:
            print(f"\n{name}: {DATA[name].about}\n{values_table(name, arguments, kept)}")
            continue
        runs = [one_run(name, number, kept, arguments.folder) for number in range(len(DESIGN))]
        print(f"\n{name}: {DATA[name].about}, measured on {runs[0]['rows']} rows\n{table(runs)}")


def one_run(name: str, number: int, kept: Kept, folder: str | None) -> dict[str, Any]:
    """The figures of one row of the design; its number is also the seed."""
    flags: dict[str, Any] = {}
    for values, second in zip(SETTINGS.values(), DESIGN[number], strict=True):
        flags |= values[second]

    # Override the default, by which a fresh head (as here) learns faster than the rest.
    flags.setdefault("head_learning_rate", flags["learning_rate"])

    def make() -> dict[str, Any]:
        own = flags | {"seed": number, "validation_fraction": 0.2}
        settings = settings_of(name, 0, own, folder)
        return figures_of(settings, drawn_without_test_rows(settings))

    return kept.get(make, data=name, number=number, flags=flags)


def values_table(name: str, arguments: argparse.Namespace, kept: Kept) -> str:
    """Means over seeds, a line for each value of the setting."""
    setting, folder = arguments.setting, arguments.folder
    fixed = fixed_settings(arguments.fixed)
    lines = [line(f"--{setting.replace('_', '-')}", *FIGURES)]
    for text in arguments.values:
        value = from_text(text, get_type_hints(TrainSettings)[setting], "--values")
        runs = []
        for seed in range(arguments.seeds):
            own = {"seed": seed, "split_seed": seed, "validation_fraction": 0.2}
            own |= fixed | {setting: value}
            settings = settings_of(name, seed, own, folder)
            key = {"data": name, "seed": seed, "settings": fingerprint(settings)}
            runs.append(kept.get(partial(of_held_out_rows, settings), **key))
        means = (np.mean([run[figure] for run in runs]) for figure in FIGURES)
        lines.append(line(text, *(f"{mean:.4f}" for mean in means)))
    return "\n".join(lines)


def fixed_settings(given: list[str]) -> dict[str, Any]:
    """Settings by name, from `NAME=VALUE` each."""
    hints = get_type_hints(TrainSettings)
    fixed = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in hints:
            raise InputError(f"--with has {text!r}: NAME=VALUE, such as lora_rank=8")
        fixed[name] = from_text(value, hints[name], "--with")
    return fixed


def of_held_out_rows(settings: TrainSettings) -> dict[str, Any]:
    """The figures of a run on all rows that are held out."""
    splits = drawn_without_test_rows(settings, share=1)
    return figures_of(settings, splits)


def table(runs: list[dict[str, Any]]) -> str:
    """The mean of all runs, and the effect of the second value of each setting."""
    found = np.array([[run[name] for name in FIGURES] for run in runs])
    lines = [line("", *FIGURES), line("all runs", *(f"{mean:.4f}" for mean in found.mean(axis=0)))]
    for name, column in zip(SETTINGS, DESIGN.T == 1, strict=True):
        effects = found[column].mean(axis=0) - found[~column].mean(axis=0)
        lines.append(line(name, *(f"{effect:+.4f}" for effect in effects)))
    return "\n".join(lines)


def line(name: str, *cells: str) -> str:
    """A row of the table."""
    return f"{name:<42}" + "".join(f"{cell:>19}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
