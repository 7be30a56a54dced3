"""Documents: texts scored sentence by sentence, and summaries over their sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np

from mlx_finbert.data.sentences import split_sentences
from mlx_finbert.data.tables.records import Row
from mlx_finbert.inference.predictor import Predictor, strings_of
from mlx_finbert.inference.scored_rows import (
    ScoredRow,
    prediction,
    rounded,
    sentiment_scores,
    types_of,
)


@dataclass
class Document:
    """A text of S sentences."""

    sentences: list[str]
    probabilities: np.ndarray
    """float32 (S, num_labels)."""
    labels: list[str]

    @property
    def mean(self) -> np.ndarray:
        """Mean of the sentences' probabilities, float64 (num_labels,)."""
        return self.probabilities.mean(axis=0, dtype=np.float64)

    @property
    def counts(self) -> dict[str, int]:
        """The number of sentences with each label."""
        counts = np.bincount(self.probabilities.argmax(axis=1), minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    @property
    def scores(self) -> np.ndarray | None:
        """The score of each sentence, float64 (S,); None if the labels are not a known scale."""
        return sentiment_scores(self.probabilities, self.labels)

    @property
    def strongest(self) -> tuple[str | None, str | None]:
        """The sentences with the highest score above 0 and the lowest below 0; None if none."""
        scores = self.scores
        if scores is None:
            return None, None
        high, low = self.sentences[scores.argmax()], self.sentences[scores.argmin()]
        return high if scores.max() > 0 else None, low if scores.min() < 0 else None

    def columns(self) -> Row:
        """The columns of a table row for this document.

        `predicted_label`, `probability_LABEL` and `score` come from the mean over the sentences.
        Then follow the number of sentences, in total and by label, and the extremes if there is a
        score. Without a sentence the counts are 0 and the other columns are missing.
        """
        row = prediction(self.mean, self.labels) if self.sentences else {}
        row |= {"sentences": len(self.sentences)}
        row |= {f"count_{label}": count for label, count in self.counts.items()}
        if self.sentences and self.scores is not None:
            row |= {"score_min": rounded(self.scores.min())}
            row |= {"score_max": rounded(self.scores.max())}
            row |= dict(zip(STRONGEST, self.strongest, strict=True))
        return row


STRONGEST = "strongest_positive", "strongest_negative"


def read_documents(predictor: Predictor, texts: Sequence[str] | Any) -> list[Document]:
    """Split N texts into sentences and score each sentence."""
    split = [split_sentences(text) for text in strings_of(texts)]
    probabilities = predictor([*chain.from_iterable(split)])
    return documents_of(split, probabilities, predictor.model.args.labels)


def documents_of(
    split: list[list[str]], probabilities: np.ndarray, labels: list[str]
) -> list[Document]:
    """Group the probabilities of sentences into N documents.

    Args:
        split: the sentences of each document, S in total.
        probabilities: float (S, num_labels).
        labels: names of the labels.
    """
    ends = accumulate(map(len, split), initial=0)
    return [
        Document(sentences, probabilities[start:end], labels)
        for sentences, (start, end) in zip(split, pairwise(ends), strict=True)
    ]


def scored_document(document: Document) -> ScoredRow:
    """Make one row of columns for a document, and one for each of its sentences."""
    labels = document.labels
    return ScoredRow(
        dict.fromkeys(document_columns(labels)) | document.columns(),
        [
            {"text": sentence, **prediction(row, labels)}
            for sentence, row in zip(document.sentences, document.probabilities, strict=True)
        ],
    )


def document_columns(labels: list[str]) -> dict[str, type]:
    """The names and types of the columns that `scored_document` fills."""
    return types_of(Document(["-"], np.zeros((1, len(labels))), labels).columns())
