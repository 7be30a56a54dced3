"""Add sentences to the sample:

    python scripts/sample.py add new.csv more.csv

The files have the columns text, label, kind and subject (docs/sample.md says what they hold). Near
duplicates of each other, of the sample, and of Financial PhraseBank and FiQA, where these are in
the working folder or in ../shared/data, are refused. Every eighth new row becomes a test row and
every sixteenth a validation row, spread evenly over labels and kinds; rows that are in the sample
stay in their part. The file is ordered by a hash of the texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlx_finbert.data.sources import SAMPLE
from mlx_finbert.data.text_hashes import chances
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.settings import setting
from sample_set import near
from sample_set.rows import column, labels, read, write

PERIOD, SPLITS = 16, {2: "test", 6: "validation", 10: "test"}
"""Of every 16 new rows, those in these places are test and validation rows."""
SHOWN = 20
"""Near duplicates that an error lists."""


class NewRow(NamedTuple):
    """A row to add."""

    text: str
    label: str
    kind: str
    subject: str
    where: str
    """File and row, for messages."""


@dataclass(kw_only=True)
class Settings:
    """Files."""

    files: list[str] = field(
        default_factory=list,
        metadata={"help": "CSV files of new rows", "positional": True, "metavar": "FILE"},
    )
    to: str = setting(str(SAMPLE), "the sample's file, which is written anew")
    skip_near_duplicates: bool = setting(
        False, "leave out near duplicates instead of refusing the files"
    )


def run(settings: Settings) -> str:
    """Add the rows of all files, and write the sample."""
    if not settings.files:
        raise InputError("there is nothing to add: name a file with new rows")
    target = Path(settings.to)
    old = read(target, "split")
    new = [row for name in settings.files for row in new_rows(Path(name))]
    twice = near_duplicates(new, old.texts)
    if twice and not settings.skip_near_duplicates:
        shown = "".join(f"\n{clause}" for clause in list(twice.values())[:SHOWN])
        raise InputError(
            f"{len(twice):,} new sentences are near duplicates: reword them, or leave them out with"
            f" --skip-near-duplicates{shown}"
        )
    kept = [row for i, row in enumerate(new) if i not in twice]
    write(target, in_order([*old_rows(old), *with_splits(kept)]))
    skipped = f"; {len(twice):,} near duplicates were left out" if twice else ""
    return f"{target}: {len(old):,} rows before, {len(old) + len(kept):,} now{skipped}"


def new_rows(path: Path) -> list[NewRow]:
    """The rows of a file to add."""
    rows = read(path)
    columns = rows.texts, labels(rows), column(rows, "kind"), column(rows, "subject")
    where = [f"{path}, row {number}" for number in rows.numbers]
    return [NewRow(*values) for values in zip(*columns, where, strict=True)]


def near_duplicates(new: Sequence[NewRow], old: Sequence[str]) -> dict[int, str]:
    """Find new rows that are near duplicates; return a clause for each by its position."""
    texts = [row.text for row in new]
    found = dict.fromkeys(near.repeated(texts), "a new sentence before it")
    for name, others in {"the sample": old, **near.other_data_sets()}.items():
        found |= dict.fromkeys(near.shared(texts, others), f"a sentence of {name}")
    return {i: f"{new[i].where}: {texts[i]!r} repeats {of}" for i, of in sorted(found.items())}


def with_splits(new: Sequence[NewRow]) -> list[list[str]]:
    """Draw the parts of new rows: systematically, so that each label and kind has its share."""
    chance = chances([row.text for row in new], "sample split", 0)
    order = sorted(range(len(new)), key=lambda i: (new[i].label, new[i].kind, chance[i]))
    splits = {i: SPLITS.get(place % PERIOD, "train") for place, i in enumerate(order)}
    return [[r.text, r.label, splits[i], r.kind, r.subject] for i, r in enumerate(new)]


def old_rows(old: LabelledTexts) -> list[list[str]]:
    """The rows of the sample as they are."""
    columns = old.texts, labels(old), old.splits, column(old, "kind"), column(old, "subject")
    return [list(values) for values in zip(*columns, strict=True)]


def in_order(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Order rows by a hash of their texts, which mixes them and stays when others are added."""
    return [rows[i] for i in np.argsort(chances([row[0] for row in rows], "sample order", 0))]
