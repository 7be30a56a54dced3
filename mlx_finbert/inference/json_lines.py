"""Scored texts as JSON lines: one object per text."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlx_finbert.inference.documents import Document, read_documents
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.scored_rows import rounded, scale_positions, sentiment_scores


def json_lines(predictor: Predictor, texts: list[str], by_sentence: bool) -> Iterator[str]:
    """Score texts and yield a line of JSON for each, in ASCII, which every terminal can print."""
    labels = predictor.model.args.labels
    if by_sentence:
        for text, document in zip(texts, read_documents(predictor, texts), strict=True):
            yield json.dumps(document_object(text, document))
    else:
        for text, row in zip(texts, predictor(texts), strict=True):
            yield json.dumps(text_object(text, row if text.strip() else None, labels))


def text_object(
    text: str, probabilities: np.ndarray | None, labels: Sequence[str]
) -> dict[str, Any]:
    """A text with its label, its probabilities, and its score if the labels are a scale.

    Args:
        text: the text.
        probabilities: float (num_labels,); None for a blank text, which has no prediction.
        labels: names of the labels.
    """
    found: dict[str, Any] = {"text": text, "label": None, "probabilities": None}
    if scale_positions(tuple(labels)) is not None:
        found["score"] = None
    if probabilities is None:
        return found
    found["label"] = labels[int(probabilities.argmax())]
    found["probabilities"] = dict(zip(labels, map(rounded, probabilities), strict=True))
    if (scores := sentiment_scores(probabilities[None], labels)) is not None:
        found["score"] = rounded(scores[0])
    return found


def document_object(text: str, document: Document) -> dict[str, Any]:
    """A text like `text_object`, scored by the mean over its sentences, which follow."""
    labels = document.labels
    mean = document.mean if document.sentences else None
    sentences = zip(document.sentences, document.probabilities, strict=True)
    return text_object(text, mean, labels) | {
        "sentences": [text_object(sentence, row, labels) for sentence, row in sentences]
    }
