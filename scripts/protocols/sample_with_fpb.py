"""Train on Financial PhraseBank alone and with the embedded sample; print the difference:

    python scripts/reproduce.py sample-with-fpb --seeds 0,1,2

Both trainings have the split of FinBERT's authors (see `fpb`); the second has the sample's training
rows too. Validation and test rows are PhraseBank's in both. The intervals of the differences come
from draws of the test rows that are the same for all models. All flags of `mlx_finbert.train` are
accepted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.at_hand import name_at_hand
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.evaluation.paired import FIGURES, Answers, difference_intervals, drawn_figures
from mlx_finbert.settings import setting
from mlx_finbert.training.result import Result
from protocols.data_sets import ARCHIVE, find_archive
from protocols.seeds import SeedSettings, run_seeds


@dataclass(kw_only=True)
class Settings(SeedSettings):
    """Data to add the sample to."""

    archive: str = setting(
        ARCHIVE, "path of Financial PhraseBank (default: found locally, or downloaded)"
    )


def reproduce(settings: Settings) -> str:
    """Train in both ways with every seed; return the figures and their differences."""
    root = settings.folder("sample-with-fpb")
    phrasebank = load_texts(f"{find_archive(settings.archive)}:araci")
    both = joined(phrasebank, settings.draw(settings.load_texts()).train)
    ways = []
    for folder, texts in (("fpb", phrasebank), ("both", both)):
        own = replace(settings, data=name_at_hand(texts), include_seen=True, split_column=None)
        ways.append(run_seeds(own, root / folder, texts))
    heading = (
        f"{Path(settings.model).name}: {phrasebank.splits.count('train'):,} training rows of"
        f" PhraseBank, {len(both) - len(phrasebank):,} of the sample;"
        f" {phrasebank.splits.count('test'):,} test rows of PhraseBank"
    )
    return "\n".join([heading, *table(settings, *ways)])


def joined(phrasebank: LabelledTexts, more: LabelledTexts) -> LabelledTexts:
    """PhraseBank with its split, and more training rows."""
    return LabelledTexts(
        phrasebank.texts + more.texts,
        np.concatenate([phrasebank.label_ids, more.ids_in(phrasebank.label_names)]),
        phrasebank.label_names,
        f"{phrasebank.name}, with {more.name}",
        [*(phrasebank.splits or []), *["train"] * len(more)],
        phrasebank.licence,
    )


def table(settings: Settings, alone: Sequence[Result], both: Sequence[Result]) -> Iterator[str]:
    """The figures of each seed in both trainings, their means, and the differences of the means."""
    yield line("", *FIGURES)
    for name, results in (("PhraseBank alone", alone), ("PhraseBank and sample", both)):
        for seed, result in zip(settings.all_seeds, results, strict=True):
            cells = (f"{getattr(result.test, figure):.4f}" for figure in FIGURES)
            yield line(f"{name}, seed {seed}", *cells)
        yield line(f"{name}, mean", *(f"{mean:.4f}" for mean in means(results).values()))
    intervals, first, other = intervals_of(alone, both), means(alone), means(both)
    cells = (
        f"{other[name] - first[name]:+z.4f} ({low:+z.4f} to {high:+z.4f})"
        for name, (low, high) in intervals.items()
    )
    yield line("difference, 95% interval", *cells)


def line(name: str, *cells: str) -> str:
    """A row of the table."""
    return f"{name:<32}" + "".join(f"{cell:<30}" for cell in cells).rstrip()


def means(results: Sequence[Result]) -> dict[str, float]:
    """The figures of several seeds, averaged."""
    return {name: float(np.mean([getattr(r.test, name) for r in results])) for name in FIGURES}


def intervals_of(alone: Sequence[Result], both: Sequence[Result]) -> dict[str, np.ndarray]:
    """95% intervals of the differences of the means over the seeds."""
    drawn = drawn_figures([answers(result) for result in (*alone, *both)])
    parts = drawn[: len(alone)], drawn[len(alone) :]
    first, other = (
        {name: np.mean([figures[name] for figures in part], axis=0) for name in FIGURES}
        for part in parts
    )
    return difference_intervals(first, other)


def answers(result: Result) -> Answers:
    """A run's answers to its test rows."""
    predictions = result.predictions
    return Answers(
        predictions.label_ids,
        predictions.logits.argmax(axis=1),
        result.test.losses,
        predictions.logits.shape[1],
    )
