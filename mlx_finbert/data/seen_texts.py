"""The file `seen_texts.tsv`: hashes of the texts that a model was trained on or chosen by.

It is saved with the model's weights, so that these texts are never counted as test rows, whatever
has become of the file that they came from. Each line has the hash of a folded text, `train`,
`validation` or `base` (seen by the model that the run started from), and the label as JSON; the
first line has the checksum of the others. The texts themselves cannot be read from it.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlx_finbert.data.text_hashes import text_hash
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

HEADER = "mlx-finbert seen texts 1 sha256 "
NOT_RECORDED = "-"
"""In the place of a hash: the model that the run started from was trained on texts not recorded."""

Row = tuple[str, str, str]
"""Hash of the text, part, label; a base's texts have no label."""


@dataclass(frozen=True)
class SeenTexts:
    """The texts that a model has seen, by their hashes."""

    rows: frozenset[Row]

    @classmethod
    def of(cls, train: LabelledTexts, validation: LabelledTexts) -> "SeenTexts":
        """Of a training run, by its training and validation rows."""
        return cls(frozenset([*_rows_of(train, "train"), *_rows_of(validation, "validation")]))

    @classmethod
    def not_recorded(cls) -> "SeenTexts":
        """Of a model whose training texts are not known."""
        return cls(frozenset([(NOT_RECORDED, "train", "")]))

    def after(self, base: "SeenTexts | None") -> "SeenTexts":
        """These, and those of the model that the run started from."""
        inherited = {(key, "base", "") for key, _, _ in base.rows} if base else set()
        return SeenTexts(self.rows | inherited)

    @property
    def is_complete(self) -> bool:
        """Whether all texts are recorded, those of the model that the run started from included."""
        return all(key != NOT_RECORDED for key, _, _ in self.rows)

    def holds(self, texts: Sequence[str]) -> np.ndarray:
        """bool (N,): which of N texts have been seen."""
        keys = {key for key, _, _ in self.rows}
        return np.array([text_hash(text) in keys for text in texts], bool)

    def to_bytes(self) -> bytes:
        """The file; the same texts give the same bytes."""
        lines = "".join(f"{key}\t{part}\t{label}\n" for key, part, label in sorted(self.rows))
        return (HEADER + _checksum(lines) + "\n" + lines).encode()

    @classmethod
    def read(cls, path: Path) -> "SeenTexts | None":
        """From a file; None where there is none.

        Raises:
            InputError: for a damaged file.
        """
        if not path.exists():
            return None
        try:
            header, _, lines = path.read_bytes().decode().partition("\n")
        except UnicodeDecodeError:
            header, lines = "", ""
        if header != HEADER + _checksum(lines):
            raise InputError(
                f"{path} is damaged: it says which texts the model was trained on, so no row can be"
                " called a test row without it; copy it again from where the model came from"
            )
        rows = (line.split("\t") for line in lines.split("\n")[:-1])
        return cls(frozenset((key, part, label) for key, part, label in rows))

    def difference(self, now: "SeenTexts") -> str:
        """How the training and validation texts of `now` differ from these, as a clause."""
        clauses = [c for part in ("train", "validation") for c in self._differences(now, part)]
        return ", ".join(clauses) or (
            "it has the same texts and labels, but in another order or number, or with other tokens"
        )

    def _differences(self, now: "SeenTexts", part: str) -> list[str]:
        before, after = self._labels(part), now._labels(part)
        relabelled = [key for key in before.keys() & after.keys() if before[key] != after[key]]
        counts = {
            "gone": len(before.keys() - after.keys()),
            "new": len(after.keys() - before.keys()),
            "relabelled": len(relabelled),
        }
        name = {"train": "training", "validation": "validation"}[part]
        return [
            f"{count:,} {name} text{'s' if count > 1 else ''} {'are' if count > 1 else 'is'} {what}"
            for what, count in counts.items()
            if count
        ]

    def _labels(self, part: str) -> dict[str, set[str]]:
        labels = defaultdict(set)
        for key, own, label in self.rows:
            if own == part:
                labels[key].add(label)
        return labels


def _rows_of(texts: LabelledTexts, part: str) -> Iterable[Row]:
    # JSON has no tab or line end within a string.
    names = [json.dumps(name) for name in texts.label_names]
    for text, label in zip(texts.texts, texts.labels, strict=True):
        yield text_hash(text), part, names[label]


def _checksum(lines: str) -> str:
    return hashlib.sha256(lines.encode()).hexdigest()
