"""Print the figures of the sample: sizes, labels, lengths, words, near duplicates, agreement:

    python scripts/sample.py figures

The search for near duplicates covers Financial PhraseBank and FiQA where these are in the working
folder or in ../shared/data. The agreement is that of docs/sample_second_labels.csv: sentences that
got their labels a second time, without sight of the first.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlx_finbert.data.near_duplicates import word_set
from mlx_finbert.data.sources import SAMPLE
from mlx_finbert.data.texts import SPLIT_SPELLINGS, LabelledTexts
from mlx_finbert.settings import setting
from sample_set import near
from sample_set.agreement import SECOND_LABELS, agreement_lines
from sample_set.rows import HARD, KINDS, column, labels, read

QUANTILES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)


@dataclass(kw_only=True)
class Settings:
    """Files."""

    data: str = setting(str(SAMPLE), "the sample's file")
    second_labels: str = setting(str(SECOND_LABELS), "the file of second labels")


def run(settings: Settings) -> str:
    """Return the tables."""
    rows = read(Path(settings.data), "split")
    blocks = [
        size_lines(rows),
        subject_lines(rows),
        length_lines(rows),
        near_lines(rows.texts),
        agreement_lines(Path(settings.second_labels)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def size_lines(rows: LabelledTexts) -> Iterator[str]:
    """Rows and label shares by kind, by part, and of the hard and the ordinary sentences."""
    names = rows.label_names
    yield f"{'':<12}{'rows':>6}" + "".join(f"{name:>10}" for name in names)
    hard = [HARD if subject == HARD else "ordinary" for subject in column(rows, "subject")]
    parts = rows.splits or []
    for values, wanted in (
        (["all"] * len(rows), ["all"]),
        (column(rows, "kind"), KINDS),
        (parts, SPLIT_SPELLINGS),
        (hard, ["ordinary", HARD]),
        ([f"{h}, {s}" for h, s in zip(hard, parts, strict=True)], [f"{HARD}, test"]),
    ):
        for value in wanted:
            of = rows.label_ids[np.array(values) == value]
            counts = np.bincount(of, minlength=len(names))
            shares = "".join(f"{count / max(1, len(of)):>10.1%}" for count in counts)
            yield f"{value:<12}{len(of):>6,}{shares}"


def subject_lines(rows: LabelledTexts) -> Iterator[str]:
    """Rows of each subject by label."""
    yield f"{'subject':<12}{'rows':>6}" + "".join(f"{name:>10}" for name in rows.label_names)
    pairs = Counter(zip(column(rows, "subject"), labels(rows), strict=True))
    for subject, count in Counter(column(rows, "subject")).most_common():
        cells = "".join(f"{pairs[subject, label]:>10,}" for label in rows.label_names)
        yield f"{subject:<12}{count:>6,}{cells}"


def length_lines(rows: LabelledTexts) -> Iterator[str]:
    """Quantiles of the number of words by kind, and the number of distinct words."""
    lengths = np.array([len(text.split()) for text in rows.texts])
    kinds = np.array(column(rows, "kind"))
    yield f"{'words':<12}" + "".join(f"{quantile:>6.0%}" for quantile in QUANTILES)
    for kind in ("all", *KINDS):
        of = lengths if kind == "all" else lengths[kinds == kind]
        cells = np.quantile(of, QUANTILES) if len(of) else []
        yield f"{kind:<12}" + "".join(f"{value:>6.0f}" for value in cells)
    distinct = {word for text in rows.texts for word in word_set(text) if not word.isdigit()}
    yield f"{lengths.sum():,} words, {len(distinct):,} of them distinct, without numbers and case"


def near_lines(texts: Sequence[str]) -> Iterator[str]:
    """Near duplicates within the set and of other data sets."""
    yield f"near duplicates within the set: {len(near.repeated(texts)):,}"
    others = near.other_data_sets()
    for name in ("Financial PhraseBank", "FiQA"):
        if name in others:
            count = len(near.shared(texts, others[name]))
            yield f"near duplicates of the {len(others[name]):,} sentences of {name}: {count:,}"
        else:
            yield f"{name} is not here: not searched"
