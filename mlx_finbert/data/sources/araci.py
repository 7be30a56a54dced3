"""The split of Financial PhraseBank for which FinBERT's results were published.

Araci 2019 (arXiv 1908.10063) drew a fifth of the 4,846 sentences on which half of the annotators
agree as test rows. His released script (ProsusAI/finBERT, `scripts/datasets.py`) draws a tenth of
the rest as validation rows. Both use scikit-learn's `train_test_split(random_state=0)`,
unstratified.
"""

import math
from dataclasses import replace

import numpy as np

from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

ROWS = 4846
TEST_LABELS = {"negative": 128, "neutral": 575, "positive": 267}


def with_araci_split(data: LabelledTexts) -> LabelledTexts:
    """Split the rows into 3,488 training, 388 validation and 970 test rows.

    Five test sentences are also training sentences; this keeps the split as it was published.

    Args:
        data: `Sentences_50Agree.txt`, in the order of the file.

    Raises:
        InputError: For other data, or rows in another order.
    """
    if len(data) != ROWS:
        raise InputError(
            f"{data.name} has {len(data):,} rows, but Araci's split needs the {ROWS:,} rows of"
            " Financial PhraseBank's level 50agree: give its original file"
        )
    rest, test = train_test_split(np.arange(ROWS), 0.2)
    _, validation = train_test_split(rest, 0.1)
    counts = np.bincount(data.label_ids[test], minlength=len(data.label_names))
    if dict(zip(data.label_names, counts.tolist(), strict=True)) != TEST_LABELS:
        raise InputError(
            f"{data.name} has its {ROWS:,} rows in a different order than Sentences_50Agree.txt,"
            " but Araci's split needs that order: give the original file"
        )
    splits = np.full(ROWS, "train", dtype=object)
    splits[validation], splits[test] = "validation", "test"
    return replace(data, splits=splits.tolist(), name=f"{data.name}, Araci's split")


def train_test_split(rows: np.ndarray, test_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Split like scikit-learn's `train_test_split(rows, test_size=test_fraction, random_state=0)`.

    Its `ShuffleSplit` permutes the rows once and takes the test rows from the front.
    """
    permuted = rows[np.random.RandomState(0).permutation(len(rows))]
    num_test = math.ceil(test_fraction * len(rows))
    return permuted[num_test:], permuted[:num_test]
