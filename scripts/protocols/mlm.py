"""Measure what reading unlabelled texts of a domain is worth to a classifier of few labels:

    python scripts/reproduce.py mlm --seeds 0,1,2,3,4 --output-dir runs/mlm

The model reads IMDB's training reviews as a masked-language model, without their labels. Then both
it and the model that has not read them are fine-tuned on the same labelled reviews, a different
sample with every seed, of which a part is for validation. All are measured on the same test
reviews; those that are training reviews too are left out. The flags that begin with `--read` are
those of `mlx_finbert.pretrain`, all others those of `mlx_finbert.train`, for both ways.

The results are kept in `results.json` of the output folder: a series that was stopped goes on with
the same command, and reading goes on from its last checkpoint.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench.machine import described, machine

from mlx_finbert.data.subset import sample
from mlx_finbert.data.text_hashes import text_hash
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.pretraining.config import LEARNING_RATE, MAX_LENGTH, PretrainSettings
from mlx_finbert.pretraining.run import complete
from mlx_finbert.pretraining.run import run as pretrain
from mlx_finbert.settings import require, setting
from mlx_finbert.training.checkpoints import FOLDER as CHECKPOINTS
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.run import run
from protocols.data_sets import IMDB, IMDB_FILES, find_imdb
from protocols.differences import NOTE, difference_rows, figures_table, run_lines
from protocols.seeds import SeedSettings
from protocols.series import Series, command_line, kept_result, train_settings

READING = "reading"
SAVE_STEPS = 200
"""Updates between the checkpoints from which a stopped reading goes on."""
ALONE, AFTER = "without reading", "after reading"


@dataclass(kw_only=True)
class Settings(SeedSettings):
    """Reading and reviews."""

    imdb: str = setting(
        IMDB,
        f"folder with {' and '.join(IMDB_FILES)}, or an aclImdb folder (default: found locally, or"
        " loaded from the hub)",
    )
    read_tokens: int = setting(3_000_000, "tokens to read")
    read_batch_size: int = setting(32, "rows per update of the reading")
    read_max_length: int = setting(MAX_LENGTH, "tokens of a row of the reading")
    read_learning_rate: float = setting(LEARNING_RATE, "peak learning rate of the reading")
    read_head_learning_rate: float | None = setting(
        None, "that of the masked-language head (default: --read-learning-rate)"
    )
    read_mask_probability: float = setting(0.15, "share of the tokens to predict")
    read_whole_words: bool = setting(False, "mask all pieces of a word, or none")
    read_seed: int = setting(0, "seed of the reading, which all seeds share")
    labelled: int = setting(1000, "labelled reviews of each seed")
    test_reviews: int = setting(2500, "test reviews, the same for all seeds")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("read_tokens", "read_batch_size", "labelled", "test_reviews"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        if self.data != type(self).data:
            raise InputError("mlm has its own data: leave out --data, and give --imdb")

    def reading(self, data: str) -> PretrainSettings:
        """The settings of the reading, without a folder."""
        of_step = self.read_batch_size * self.read_max_length
        return PretrainSettings(
            model=self.model,
            revision=self.revision,
            data=data,
            max_steps=-(-self.read_tokens // of_step),
            batch_size=self.read_batch_size,
            max_length=self.read_max_length,
            learning_rate=self.read_learning_rate,
            head_learning_rate=self.read_head_learning_rate,
            mask_probability=self.read_mask_probability,
            whole_words=self.read_whole_words,
            seed=self.read_seed,
            save_steps=SAVE_STEPS,
            dtype=self.dtype,
        )


def reproduce(settings: Settings) -> str:
    """Read, and fine-tune in both ways with every seed; return the figures and differences."""
    data, train, test = find_imdb(settings.imdb)
    series = Series(settings.folder("mlm"), settings)
    reading = settings.reading(data)
    read = series.step(READING, lambda folder: read_in(folder, reading))
    test = test_rows(train, test, settings.test_reviews)
    runs = [
        seed_settings(settings, write_rows(series.folder, train, test, settings, seed), seed)
        for seed in settings.all_seeds
    ]
    ways = {
        ALONE: [trained(series, "alone", own) for own in runs],
        AFTER: [trained(series, "after", after(series, own)) for own in runs],
    }
    lines = [
        f"{Path(settings.model).name}, {settings.labelled:,} labelled reviews a seed,"
        f" {len(test):,} test reviews of IMDB",
        f"read: {settings.read_tokens:,} tokens in {read['seconds'] / 60:.0f} minutes;"
        f" {read['figures']}",
        "",
        *figures_table(ways, settings.all_seeds),
        *difference_rows(ways, [(ALONE, AFTER)]),
        NOTE,
        "",
        *run_lines(ways),
        described(machine()),
        *commands(reading, runs[0], series),
    ]
    return "\n".join(lines)


def read_in(folder: Path, settings: PretrainSettings) -> dict[str, Any]:
    """Pretrain in a folder, from its last checkpoint if it has one."""
    own = replace(settings, output_dir=str(folder), overwrite=True)
    if any((folder / CHECKPOINTS).glob("step-*")):
        own = complete({"resume_from_checkpoint": str(folder)})
    result = pretrain(own)
    if result.end not in ("finished", "stopped early"):
        raise InputError(f"{result.folder}: the reading is not complete (end: {result.end})")
    return {"figures": str(result)}


def test_rows(train: LabelledTexts, test: LabelledTexts, most: int) -> LabelledTexts:
    """A sample of the test reviews that are not training reviews."""
    known = {text_hash(text) for text in train.texts}
    unseen = [i for i, text in enumerate(test.texts) if text_hash(text) not in known]
    test = test.take(np.array(unseen), test.name)
    return test.take(sample(test, most, 0, "test_reviews")[0], test.name)


def write_rows(
    folder: Path, train: LabelledTexts, test: LabelledTexts, settings: Settings, seed: int
) -> Path:
    """Write the labelled reviews of a seed and the test reviews to a table."""
    rows = train.take(sample(train, settings.labelled, seed, "labelled")[0], train.name)
    path = folder / f"reviews-seed-{seed}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label", "split"])
        for split, part in (("train", rows), ("test", test)):
            names = [part.label_names[i] for i in part.label_ids]
            table.writerows((*pair, split) for pair in zip(part.texts, names, strict=True))
    return path


def seed_settings(settings: Settings, rows: Path, seed: int) -> TrainSettings:
    """The settings of a run on the reviews of its seed, with a new head in both ways."""
    return train_settings(
        settings,
        data=str(rows),
        split_column="split",
        seed=seed,
        split_seed=seed,
        new_head=True,
        output_dir=None,
    )


def after(series: Series, settings: TrainSettings) -> TrainSettings:
    """The settings of the same run from the model that has read."""
    return replace(settings, model=str(series.folder / READING), revision=None)


def trained(series: Series, way: str, settings: TrainSettings) -> Any:
    """The outcome of a run."""

    def work(folder: Path) -> dict[str, Any]:
        return kept_result(run(replace(settings, output_dir=str(folder), overwrite=True)))

    return series.outcome(f"{way}/seed-{settings.seed}", work)


def commands(
    reading: PretrainSettings, first: TrainSettings, series: Series
) -> Iterator[str] | Sequence[str]:
    """The commands of the reading and of the first seed."""
    folder = series.folder
    read = replace(reading, output_dir=str(folder / READING))
    yield command_line("mlx_finbert.pretrain", read)
    for way, own in (("alone", first), ("after", after(series, first))):
        own = replace(own, output_dir=str(folder / way / f"seed-{own.seed}"))
        yield command_line("mlx_finbert.train", own)
