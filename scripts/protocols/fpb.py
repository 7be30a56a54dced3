"""Train on the rows of published results and print the published figures next to ours:

    python scripts/reproduce.py fpb --model minilm --seeds 0,1,2
    python scripts/reproduce.py fpb --model ProsusAI/finbert --new-head --batch-size 32

`fpb` is Financial PhraseBank, all 4,846 sentences, with the split of FinBERT's authors: 3,488
training, 388 validation and 970 test rows. Five test sentences are also training sentences and
count, as they did there. All flags of `mlx_finbert.train` are accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlx_finbert.data.sources.phrasebank import BANDS, agreement_bands
from mlx_finbert.evaluation.metrics import bootstrap_intervals, measure
from mlx_finbert.settings import setting
from mlx_finbert.training.cross_validation import spread
from mlx_finbert.training.result import Result
from protocols.data_sets import ARCHIVE, find_archive
from protocols.seeds import SeedSettings, run_seeds

PUBLISHED = (
    ("LSTM with GloVe, 10 folds (Araci 2019, table 2)", 0.81, 0.71, 0.64),
    ("LSTM with ELMo, 10 folds (the same)", 0.72, 0.75, 0.70),
    ("ULMFit, 10 folds (the same)", 0.41, 0.83, 0.79),
    ("FinBERT, 10 folds (the same)", 0.37, 0.86, 0.84),
    ("FinBERT, these 970 rows (its authors' notebook; loss weighted)", 0.39, 0.83, 0.82),
)
"""Loss, accuracy and macro-F1, as printed."""


@dataclass(kw_only=True)
class Settings(SeedSettings):
    """Data."""

    data: str = setting(ARCHIVE, "path of the archive (default: found locally, or downloaded)")


def reproduce(settings: Settings) -> str:
    """Train on Araci's split with every seed; return tables with the published figures."""
    archive = find_archive(settings.data)
    settings = replace(settings, data=f"{archive}:araci", include_seen=True)
    results = run_seeds(settings, settings.folder("fpb"))
    return "\n".join(
        [*figures_table(settings, results), "", *bands_table(archive, settings, results)]
    )


def figures_table(settings: Settings, results: Sequence[Result]) -> list[str]:
    """One line for each published row and each seed, then mean and standard deviation."""
    model = Path(settings.model).name
    lines = [line("Financial PhraseBank, Araci's split", "loss", "accuracy", "macro-F1")]
    lines += [line(name, *(f"{value:.2f}" for value in row)) for name, *row in PUBLISHED]
    for seed, result in zip(settings.all_seeds, results, strict=True):
        bounds = bootstrap_intervals(result.test)
        cells = (
            f"{getattr(result.test, name):.4f} ({bounds[name][0]:.3f}-{bounds[name][1]:.3f})"
            for name in ("loss", "accuracy", "macro_f1")
        )
        lines.append(line(f"{model}, seed {seed}, these 970 rows", *cells))
    if len(results) > 1:
        for name, row in spread([result.test for result in results]).items():
            lines.append(line(f"{model}, {name}", *(f"{v:.4f}" for v in row.values())))
    return lines


def bands_table(archive: Path, settings: Settings, results: Sequence[Result]) -> list[str]:
    """Accuracy and macro-F1 by the share of annotators that agreed, over all seeds."""
    lines = [f"{'annotators agreeing':<22}{'rows':>6}{'accuracy':>10}{'macro-F1':>10}"]
    # The test rows, in the order of the predictions.
    test_rows = settings.use(settings.draw(settings.load_texts())).test
    bands = agreement_bands(archive, test_rows)
    for band in BANDS:
        rows = np.flatnonzero(bands == band)
        found = [
            measure(r.predictions.logits[rows], r.predictions.label_ids[rows]) for r in results
        ]
        accuracy = np.mean([metrics.accuracy for metrics in found])
        macro_f1 = np.mean([metrics.macro_f1 for metrics in found])
        lines.append(f"{band:<22}{len(rows):>6}{accuracy:>10.4f}{macro_f1:>10.4f}")
    return lines


def line(name: str, *cells: str) -> str:
    """A row of the table."""
    return f"{name:<64}" + "".join(f"{cell:<23}" for cell in cells).rstrip()
