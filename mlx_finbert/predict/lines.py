"""What is printed of texts that are scored one by one."""

from collections.abc import Iterator

import numpy as np

from mlx_finbert.predict.documents import Document, read_documents
from mlx_finbert.predict.predictor import Predictor


def text_lines(predictor: Predictor, texts: list[str]) -> Iterator[str]:
    """For each text, its label and all probabilities, which a blank one has not."""
    for text, row in zip(texts, predictor(texts), strict=True):
        yield line(row, predictor.model.args.labels, text) if text.strip() else "no text"


def line(probabilities: np.ndarray, labels: list[str], text: str) -> str:
    """`positive  negative 0.012  neutral 0.033  positive 0.955  Sales rose.`"""
    width = max(len(label) for label in labels)
    shares = "  ".join(f"{label} {p:.3f}" for label, p in zip(labels, probabilities, strict=True))
    return f"{labels[probabilities.argmax()]:<{width}}  {shares}  {text}"


def document_lines(predictor: Predictor, texts: list[str]) -> Iterator[str]:
    """For each text a block: its sentences, and what they say together."""
    for number, document in enumerate(read_documents(predictor, texts), 1):
        counts = ", ".join(f"{label} {count}" for label, count in document.counts.items())
        yield f"text {number}, sentences: {len(document.sentences)} ({counts})"
        for sentence, row in zip(document.sentences, document.probabilities, strict=True):
            yield "  " + line(row, document.labels, sentence)
        yield from summary(document)


def summary(document: Document) -> Iterator[str]:
    """The score of a document with its extremes, where its labels are a known scale."""
    scores = document.scores
    if scores is None or not len(scores):
        return
    yield (
        f"  score {scores.mean():+.3f}, the mean of its sentences' scores,"
        f" from {scores.min():+.3f} to {scores.max():+.3f}"
    )
    for name, sentence in zip(("positive", "negative"), document.strongest, strict=True):
        if sentence:
            yield f"  strongest {name}: {sentence}"
