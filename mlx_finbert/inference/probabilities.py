"""`mlx_finbert.predict_proba`: class probabilities of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.inference.documents import read_documents
from mlx_finbert.inference.predictor import BATCH_SIZE, LongTexts, Predictor
from mlx_finbert.models import Classifier


def predict_proba(
    model: Classifier,
    tokenizer: Tokenizer,
    texts: Sequence[str] | Any,
    batch_size: int = BATCH_SIZE,
    max_length: int | None = None,
    long_texts: LongTexts = "cut",
    window_overlap: int | None = None,
    by_sentence: bool = False,
) -> np.ndarray:
    """Compute the probabilities of the labels `model.args.labels` for each text.

    Args:
        model, tokenizer: from `load`.
        texts: N strings: a list, a tuple, a NumPy array, a series of pandas or polars, or a column
            of a `datasets.Dataset`.
        batch_size: rows computed together; batches are grouped by length.
        max_length: maximum row length in tokens; None for the tokenizer's `model_max_length`.
        long_texts: `cut` drops the tokens beyond `max_length`; `windows` reads the whole text in
            windows of `max_length` tokens and averages their probabilities, each token counting
            once.
        window_overlap: tokens that neighbouring windows share; None for a quarter of `max_length`.
        by_sentence: split each text into sentences and average their probabilities. For the
            sentences themselves, see `mlx_finbert.inference.read_documents`.

    Returns:
        float32 (N, num_labels), in the order of the texts; each row sums to 1. With `by_sentence`,
        the row of a text without a sentence is NaN.

    Raises:
        InputError: if texts is not a sequence of strings, or a number is out of range.
    """
    predictor = Predictor(model, tokenizer, batch_size, max_length, long_texts, window_overlap)
    if not by_sentence:
        return predictor(texts)
    documents = read_documents(predictor, texts)
    means = np.full((len(documents), len(model.args.labels)), np.nan, np.float32)
    for row, document in zip(means, documents, strict=True):
        if document.sentences:
            row[:] = document.mean
    return means
