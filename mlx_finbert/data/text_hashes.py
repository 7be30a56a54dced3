"""Hashes of texts: to find equal ones, to draw rows, and to record what a model has seen.

The file `seen_texts.tsv` holds the hashes of the texts that a model saw in training or validation.
It is saved with the model's weights and keeps these texts out of test rows, even if the data file
has changed since. Each line has the hash of a folded text, a part (`train`, `validation`,
`unlabelled` for texts that a teacher labelled, or `base` for texts seen by the model that the run
started from), and the label as JSON. The first line has
the checksum of the others. The texts themselves cannot be recovered from the file.
"""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

HASH_BYTES = 8
"""64 bits: among a million texts, the probability that any two share a hash by chance is 3e-8."""

HEADER = "mlx-finbert seen texts 1 sha256 "
NOT_RECORDED = "-"
"""The hash that marks training texts which were not recorded."""

Row = tuple[str, str, str]
"""The hash of a text, its part and its label; the label is empty for `unlabelled` and `base`."""


def fold(text: str) -> str:
    """Return the form in which texts are compared, without case, white space and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_hash(text: str) -> str:
    """Return a hash of 16 hexadecimal digits, the same for all texts that fold alike."""
    return _digest(fold(text)).hex()


def chances(texts: Sequence[str], purpose: str, seed: int) -> np.ndarray:
    """Draw a random number for each text by its hash.

    The number is the same for texts that fold alike, does not depend on the other rows, and is
    independent of the numbers for another purpose or seed.

    Args:
        texts: N strings.
        purpose: The name of the draw.
        seed: The seed of the draw.

    Returns:
        float64 (N,), uniform in [0, 1).
    """
    digests = b"".join(_digest(f"{purpose} {seed}\n{fold(text)}") for text in texts)
    # Use the 53 bits that a float64 can hold; all 64 bits could round up to 1.
    return (np.frombuffer(digests, ">u8") >> 11) * 2.0**-53


def group_alike(texts: Iterable[str]) -> np.ndarray:
    """Number the folded texts in order of first occurrence: int64 (N,), from 0."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(fold(text), len(numbers)) for text in texts], np.int64)


def _digest(text: str) -> bytes:
    # JSON can hold a lone surrogate, which has no valid UTF-8.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


@dataclass(frozen=True)
class SeenTexts:
    """The hashes of the texts that a model has seen."""

    rows: frozenset[Row]

    @classmethod
    def of(cls, train: LabelledTexts, validation: LabelledTexts) -> "SeenTexts":
        """Record the texts of a run's training and validation rows."""
        return cls(frozenset([*_rows_of(train, "train"), *_rows_of(validation, "validation")]))

    @classmethod
    def not_recorded(cls) -> "SeenTexts":
        """Make the record of a model whose training texts are not known."""
        return cls(frozenset([(NOT_RECORDED, "train", "")]))

    def after(self, base: "SeenTexts | None") -> "SeenTexts":
        """Add the texts seen by the model that the run started from."""
        inherited = {(key, "base", "") for key, _, _ in base.rows} if base else set()
        return SeenTexts(self.rows | inherited)

    def with_unlabelled(self, texts: Iterable[str]) -> "SeenTexts":
        """Add texts that the model learned from without a label."""
        return SeenTexts(self.rows | {(text_hash(text), "unlabelled", "") for text in texts})

    @property
    def is_complete(self) -> bool:
        """Whether all texts are recorded, including those seen by the run's base model."""
        return all(key != NOT_RECORDED for key, _, _ in self.rows)

    def holds(self, texts: Sequence[str]) -> np.ndarray:
        """Return which of N texts have been seen: bool (N,)."""
        keys = {key for key, _, _ in self.rows}
        return np.array([text_hash(text) in keys for text in texts], bool)

    def to_bytes(self) -> bytes:
        """Return the content of the file; the same texts give the same bytes."""
        lines = "".join(f"{key}\t{part}\t{label}\n" for key, part, label in sorted(self.rows))
        return (HEADER + _checksum(lines) + "\n" + lines).encode()

    @classmethod
    def read(cls, path: Path) -> "SeenTexts | None":
        """Read a file; return None if it does not exist.

        Raises:
            InputError: If the file is damaged.
        """
        if not path.exists():
            return None
        try:
            header, _, lines = path.read_bytes().decode().partition("\n")
        except UnicodeDecodeError:
            header, lines = "", ""
        if header != HEADER + _checksum(lines):
            raise InputError(
                f"{path} is damaged: without this record of the texts that the model was trained"
                " on, no row can be used as a test row; copy it again from where the model came"
                " from"
            )
        rows = (line.split("\t") for line in lines.split("\n")[:-1])
        return cls(frozenset((key, part, label) for key, part, label in rows))

    def difference(self, now: "SeenTexts") -> str:
        """Describe how the texts of `now`, without those of the base model, differ from these."""
        parts = ("train", "validation", "unlabelled")
        clauses = [clause for part in parts for clause in self._differences(now, part)]
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
        name = "training" if part == "train" else part
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
    for text, label in zip(texts.texts, texts.label_ids, strict=True):
        yield text_hash(text), part, names[label]


def _checksum(lines: str) -> str:
    return hashlib.sha256(lines.encode()).hexdigest()
