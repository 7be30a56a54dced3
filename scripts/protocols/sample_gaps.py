"""Find the kinds of sentence that the embedded sample lacks:

    python scripts/reproduce.py sample-gaps
    python scripts/reproduce.py sample-gaps --trained runs/sample-minilm/seed-0 --shown 40

Train on the sample alone and list what the model gets wrong on rows that may be looked at while
sentences are written: training and validation rows of FinBERT's authors' split of Financial
PhraseBank on which all annotators agree, and training rows of FiQA. Their test rows are left out.
Write sentences of the missing kinds; never imitate a row. All flags of `mlx_finbert.train` are
accepted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlx_finbert.checkpoints.load import load
from mlx_finbert.data.sources.fiqa import load_fiqa
from mlx_finbert.data.sources.phrasebank import ARACI, agreement_bands, load_phrasebank
from mlx_finbert.data.split import make_splits
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.evaluation.evaluate import Evaluation, evaluate
from mlx_finbert.evaluation.text import confusion_lines
from mlx_finbert.inference.logits import softmax
from mlx_finbert.settings import setting
from protocols.data_sets import ARCHIVE, FIQA, find_archive, find_fiqa
from protocols.seeds import SeedSettings, run_seeds


@dataclass(kw_only=True)
class Settings(SeedSettings):
    """Rows to look at."""

    archive: str = setting(
        ARCHIVE, "path of Financial PhraseBank (default: found locally, or downloaded)"
    )
    fiqa: str = setting(FIQA, "folder of FiQA's files (default: found locally)")
    trained: str | None = setting(None, "folder of a finished run to measure instead of training")
    shown: int = setting(20, "sentences to show of each kind of error, the most confident first")


def reproduce(settings: Settings) -> str:
    """Return the confusion and the errors on each set of rows."""
    archive, fiqa = find_archive(settings.archive), find_fiqa(settings.fiqa)
    rows = [phrasebank_rows(archive), make_splits(load_fiqa(fiqa)).train]
    folder = settings.trained or run_seeds(settings, settings.folder("sample-gaps"))[0].folder
    model, tokenizer = load(folder)
    found = [evaluate(model, tokenizer, part, name=str(folder)) for part in rows]
    return "\n\n".join("\n".join(lines_of(one, settings.shown)) for one in found)


def phrasebank_rows(archive: Path) -> LabelledTexts:
    """The rows on which all annotators agree that are not test rows of Araci's split."""
    rows = load_phrasebank(archive, ARACI)
    splits = np.array(rows.splits)
    test = {text for text, split in zip(rows.texts, splits, strict=True) if split == "test"}
    # Five test sentences are also training sentences.
    is_test = np.array([text in test for text in rows.texts])
    agreed = agreement_bands(archive, rows) == "100%"
    at = np.flatnonzero(agreed & ~is_test)
    return rows.take(at, "Financial PhraseBank, all agree, no test rows")


def lines_of(found: Evaluation, shown: int) -> Iterator[str]:
    """Figures, confusion and wrong rows of an evaluation."""
    metrics = found.metrics
    yield f"{found.heading}; accuracy {metrics.accuracy:.4f}, macro-F1 {metrics.macro_f1:.4f}"
    yield from confusion_lines(metrics.confusion, found.labels)
    probabilities = softmax(found.logits)
    predicted, true = found.logits.argmax(axis=1), found.rows.ids_in(found.labels)
    for p, to in enumerate(found.labels):
        for t, of in enumerate(found.labels):
            wrong = np.flatnonzero((predicted == p) & (true == t) & (predicted != true))
            if len(wrong):
                yield f"\n{of} read as {to}: {len(wrong):,}"
            for i in wrong[np.argsort(-probabilities[wrong, p], kind="stable")][:shown]:
                yield f"  {probabilities[i, p]:.2f}  {found.rows.texts[i]}"
