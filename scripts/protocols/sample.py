"""Train on the embedded sample alone, and measure what it learned on data sets of others:

    python scripts/reproduce.py sample --seeds 0,1,2

The rows measured are the sample's test rows, also its hard and its ordinary part apart; Financial
PhraseBank at each level of agreement; and FiQA's headlines and posts, all rows that have a score.
No row of PhraseBank or FiQA is trained on or chooses anything. All flags of `mlx_finbert.train` are
accepted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sample_set.rows import HARD, column

from mlx_finbert.checkpoints.load import load
from mlx_finbert.data.sources.fiqa import FILES, from_scores, scores_in
from mlx_finbert.data.sources.phrasebank import LEVELS, load_phrasebank
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.evaluation.evaluate import evaluate
from mlx_finbert.evaluation.metrics import Metrics
from mlx_finbert.settings import setting
from mlx_finbert.training.result import Result
from protocols.data_sets import ARCHIVE, FIQA, find_archive, find_fiqa
from protocols.seeds import SeedSettings, run_seeds


@dataclass(kw_only=True)
class Settings(SeedSettings):
    """Data to measure on."""

    archive: str = setting(
        ARCHIVE, "path of Financial PhraseBank (default: found locally, or downloaded)"
    )
    fiqa: str = setting(FIQA, "folder of FiQA's files (default: found locally)")


def reproduce(settings: Settings) -> str:
    """Train on the sample with every seed; return a table of all rows measured."""
    archive, fiqa = find_archive(settings.archive), find_fiqa(settings.fiqa)
    parts = settings.draw(settings.load_texts())
    measured = sample_parts(parts.test) | others(archive, fiqa)
    results = run_seeds(settings, settings.folder("sample"))
    found = [metrics_of(result, measured) for result in results]
    name = Path(settings.model).name
    lines = [f"{name}, trained on {len(settings.use(parts).train):,} rows of the sample alone"]
    return "\n".join([*lines, *table(settings.all_seeds, measured, found)])


def sample_parts(test: LabelledTexts) -> dict[str, LabelledTexts]:
    """The sample's test rows, and its hard and ordinary ones apart."""
    hard = np.array(column(test, "subject")) == HARD
    parts = {"sample, test rows": np.arange(len(test))}
    parts |= {"  ordinary": np.flatnonzero(~hard), "  hard": np.flatnonzero(hard)}
    return {name: test.take(rows, name.strip()) for name, rows in parts.items() if len(rows)}


def others(archive: Path, fiqa: Path) -> dict[str, LabelledTexts]:
    """The rows of the data sets of others."""
    found = {f"PhraseBank, {level}": load_phrasebank(archive, level) for level in LEVELS}
    for name, file in zip(("headlines", "posts"), FILES, strict=True):
        found[f"FiQA, {name}"] = from_scores(scores_in(fiqa / file), f"FiQA's {name}")
    return found


def metrics_of(result: Result, measured: Mapping[str, LabelledTexts]) -> list[Metrics]:
    """The metrics of a run's model on each of the sets."""
    model, tokenizer = load(result.folder)
    return [evaluate(model, tokenizer, rows).metrics for rows in measured.values()]


def table(
    seeds: Sequence[int],
    measured: Mapping[str, LabelledTexts],
    found: Sequence[Sequence[Metrics]],
) -> list[str]:
    """A line for each set: its rows, mean accuracy and macro-F1, and both for each seed.

    Args:
        seeds: The seeds.
        measured: The sets by name.
        found: For each seed, the metrics of each set.
    """
    heading = f"{'':<24}{'rows':>6}{'accuracy':>10}{'macro-F1':>10}"
    lines = [heading + "".join(f"{f'seed {seed}':>18}" for seed in seeds)]
    for (name, rows), metrics in zip(measured.items(), zip(*found, strict=True), strict=True):
        accuracy = np.mean([one.accuracy for one in metrics])
        macro_f1 = np.mean([one.macro_f1 for one in metrics])
        each = "".join(f"{f'{one.accuracy:.4f} {one.macro_f1:.4f}':>18}" for one in metrics)
        lines.append(f"{name:<24}{len(rows):>6,}{accuracy:>10.4f}{macro_f1:>10.4f}{each}")
    return lines
