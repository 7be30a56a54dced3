"""Financial PhraseBank v1.0 (Malo et al. 2014), read from its own files.

The archive has one file for each level of agreement between the annotators. The files are nested
(all-agree is contained in 75, 66 and 50), so no two of them may be mixed. Each line is
`sentence@label` in ISO-8859-1. The data set's loading script on the hub no longer runs in
datasets >= 4, but the archive itself is still in its repository.

`araci` is the split for which FinBERT's results were published (Araci 2019, arXiv 1908.10063). A
fifth of the 4,846 sentences on which half of the annotators agree are test rows. The released
script (ProsusAI/finBERT, `scripts/datasets.py`) draws a tenth of the rest as validation rows. Both
use scikit-learn's `train_test_split(random_state=0)`, unstratified.
"""

import math
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlx_finbert.data.label_names import Naming
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.archives import open_member, open_zip, read_within

HUB_REPOSITORY = "takala/financial_phrasebank"
HUB_FILE = "data/FinancialPhraseBank-v1.0.zip"
LICENCE = "CC BY-NC-SA 3.0 (non-commercial; models trained on it inherit the question)"

LEVELS = {
    "allagree": "Sentences_AllAgree.txt",
    "75agree": "Sentences_75Agree.txt",
    "66agree": "Sentences_66Agree.txt",
    "50agree": "Sentences_50Agree.txt",
}
ARACI = "araci"
ARACI_ROWS = 4846
ARACI_TEST_LABELS = {"negative": 128, "neutral": 575, "positive": 267}
BANDS = {"100%": "allagree", "75-99%": "75agree", "66-74%": "66agree", "50-65%": "50agree"}
"""The shares of annotators that agree, each with the strictest level that has such sentences."""
LABELS = ["negative", "neutral", "positive"]


def load_phrasebank(path: Path, level: str | None = None) -> LabelledTexts:
    """Load the sentences of one level of agreement.

    Args:
        path: The zip archive, the folder of its files, or one `Sentences_*.txt`.
        level: `allagree` (the default), `75agree`, `66agree`, `50agree`, or `araci`, which is
            `50agree` with the split for which FinBERT's results were published.

    Raises:
        InputError: If the data cannot be read; names the file and the line.
    """
    if level == ARACI:
        return with_araci_split(load_phrasebank(path, "50agree"))
    if level is not None and level not in LEVELS:
        raise InputError(
            f"Financial PhraseBank has no level {level!r}: choose one of"
            f" {', '.join((*LEVELS, ARACI))}"
        )
    if path.name in LEVELS.values():
        if level is not None and LEVELS[level] != path.name:
            raise InputError(f"{path} is not the file of level {level!r}: remove the level")
        return parse(path.read_bytes(), str(path))
    level = level or "allagree"
    name = LEVELS[level]
    data = _from_zip(path, name) if path.is_file() else _from_folder(path, name)
    return parse(data, f"{path}:{level}")


def agreement_bands(path: Path, data: LabelledTexts) -> np.ndarray:
    """Find the share of annotators that agreed on each row, by comparing the nested files.

    Args:
        path: The zip archive, the folder of its files, or one file next to the three others.
        data: N rows of any level, in any order.

    Returns:
        str (N,), keys of `BANDS`.

    Raises:
        InputError: If a file is missing, or a row is in none of them.
    """
    path = path.parent if path.name in LEVELS.values() else path
    waiting: dict[str, Counter[tuple[str, str]]] = {}
    higher: Counter[tuple[str, str]] = Counter()
    for band, level in BANDS.items():
        rows = Counter(_pairs(load_phrasebank(path, level)))
        waiting[band] = rows - higher
        higher = rows
    return np.array([_take_band(waiting, pair, path) for pair in _pairs(data)])


def _pairs(data: LabelledTexts) -> list[tuple[str, str]]:
    return [(text, data.label_names[i]) for text, i in zip(data.texts, data.label_ids, strict=True)]


def _take_band(
    waiting: dict[str, Counter[tuple[str, str]]], pair: tuple[str, str], path: Path
) -> str:
    """Take a row from the highest band that has it; repeated sentences take one row each."""
    for band, rows in waiting.items():
        if rows[pair]:
            rows[pair] -= 1
            return band
    raise InputError(f"{path} has no sentence {pair[0]!r} labelled {pair[1]}")


def download(revision: str | None = None, parameter: str = "data") -> Path:
    """Download the archive from the hub, or find it in the cache; `parameter` is for messages."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(
            hf_hub_download(HUB_REPOSITORY, HUB_FILE, repo_type="dataset", revision=revision)
        )
    except OSError as error:
        raise InputError(
            "Financial PhraseBank could not be downloaded from the hub: download"
            f" https://huggingface.co/datasets/{HUB_REPOSITORY}/resolve/main/{HUB_FILE}"
            f" and give the file's path as `{parameter}`"
        ) from error


def is_phrasebank(path: Path) -> bool:
    """Whether a path looks like the archive, its folder or one of its files."""
    if path.is_dir():
        return any(path.glob("**/Sentences_*Agree.txt"))
    if path.name in LEVELS.values():
        return True
    # Opening a pipe would wait forever.
    return path.is_file() and zipfile.is_zipfile(path) and _holds_levels(path)


def _holds_levels(path: Path) -> bool:
    """Whether a zip contains a file of the data set."""
    with suppress(InputError), open_zip(path) as archive:
        return bool({name.rpartition("/")[2] for name in archive.namelist()} & {*LEVELS.values()})
    return False


def parse(data: bytes, name: str) -> LabelledTexts:
    """Parse lines of `sentence@label`, split at the last @."""
    rows = RawRows()
    # splitlines() would also break latin-1 text at bytes that are not line ends.
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
        if not line.strip():
            continue
        text, at, label = line.rpartition("@")
        if not at or label.strip() not in LABELS:
            raise InputError(
                f"{name}, line {number}: the line does not end in @negative, @neutral or @positive:"
                " correct it"
            )
        rows.texts.append(text.strip())
        rows.labels.append(label.strip())
        rows.where.append(f"{name}, line {number}")
        rows.numbers.append(number)
    return rows.labelled(name, Naming(LABELS), licence=LICENCE)


def _from_zip(path: Path, name: str) -> bytes:
    with open_zip(path, "download it again") as archive:
        for member in archive.namelist():
            if member.rpartition("/")[2] == name and not member.startswith("__MACOSX"):
                with open_member(archive, member, path) as file:
                    return read_within(file, path)
    raise InputError(f"{path} contains no {name}: it is not the archive of Financial PhraseBank")


def _from_folder(path: Path, name: str) -> bytes:
    found = sorted(path.glob(f"**/{name}"))
    if not found:
        raise InputError(f"{path} contains no {name}: give the folder of the unpacked archive")
    return found[0].read_bytes()


def with_araci_split(data: LabelledTexts) -> LabelledTexts:
    """Split the rows into 3,488 training, 388 validation and 970 test rows.

    Five test sentences are also training sentences; this keeps the split as it was published.

    Args:
        data: `Sentences_50Agree.txt`, in the order of the file.

    Raises:
        InputError: For other data, or rows in another order.
    """
    if len(data) != ARACI_ROWS:
        raise InputError(
            f"{data.name} has {len(data):,} rows, but Araci's split needs the {ARACI_ROWS:,} rows"
            " of Financial PhraseBank's level 50agree: give its original file"
        )
    rest, test = train_test_split(np.arange(ARACI_ROWS), 0.2)
    _, validation = train_test_split(rest, 0.1)
    counts = np.bincount(data.label_ids[test], minlength=len(data.label_names))
    if dict(zip(data.label_names, counts.tolist(), strict=True)) != ARACI_TEST_LABELS:
        raise InputError(
            f"{data.name} has its {ARACI_ROWS:,} rows in a different order than"
            " Sentences_50Agree.txt, but Araci's split needs that order: give the original file"
        )
    splits = np.full(ARACI_ROWS, "train", dtype=object)
    splits[validation], splits[test] = "validation", "test"
    return replace(data, splits=splits.tolist(), name=f"{data.name}, Araci's split")


def train_test_split(rows: np.ndarray, test_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Split like scikit-learn's `train_test_split(rows, test_size=test_fraction, random_state=0)`.

    Its `ShuffleSplit` permutes the rows once and takes the test rows from the front.
    """
    permuted = rows[np.random.RandomState(0).permutation(len(rows))]
    num_test = math.ceil(test_fraction * len(rows))
    return permuted[num_test:], permuted[:num_test]
