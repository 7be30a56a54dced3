"""Documents: the sentences of a text, each scored, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

import numpy as np

from mlx_finbert.data.sentences import split_sentences
from mlx_finbert.data.tables.records import Row
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.scored_rows import ScoredRow, prediction, rounded, types_of
from mlx_finbert.inference.sentiment import sentiment_scores


@dataclass
class Document:
    """A text of S sentences."""

    sentences: list[str]
    probabilities: np.ndarray
    """float32 (S, num_labels)."""
    labels: list[str]

    @property
    def mean(self) -> np.ndarray:
        """float64 (num_labels,): the mean of the sentences' probabilities."""
        return self.probabilities.mean(axis=0, dtype=np.float64)

    @property
    def counts(self) -> dict[str, int]:
        """How many sentences have each label."""
        counts = np.bincount(self.probabilities.argmax(axis=1), minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    @property
    def scores(self) -> np.ndarray | None:
        """The score of each sentence, float64 (S,); None where the labels are no known scale."""
        return sentiment_scores(self.probabilities, self.labels)

    @property
    def strongest(self) -> tuple[str | None, str | None]:
        """The sentence of the highest score above 0 and that of the lowest below 0, if any is."""
        scores = self.scores
        if scores is None:
            return None, None
        high, low = self.sentences[scores.argmax()], self.sentences[scores.argmin()]
        return high if scores.max() > 0 else None, low if scores.min() < 0 else None

    def columns(self) -> Row:
        """A document as columns of a table.

        `predicted_label`, `probability_LABEL` and `score` are those of the sentences' mean. Then
        come the number of sentences, in all and by label, and the extremes where there is a score.
        Without a sentence the numbers are 0 and all else is None.
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


def read_documents(predictor: Predictor, texts: Sequence[str]) -> list[Document]:
    """Split N texts into sentences and score each sentence."""
    split = [split_sentences(text) for text in texts]
    probabilities = predictor([*chain.from_iterable(split)])
    return documents_of(split, probabilities, predictor.model.args.labels)


def documents_of(
    split: list[list[str]], probabilities: np.ndarray, labels: list[str]
) -> list[Document]:
    """N documents.

    Args:
        split: their sentences, S in all.
        probabilities: float (S, num_labels).
        labels: their names.
    """
    ends = accumulate(map(len, split), initial=0)
    return [
        Document(sentences, probabilities[start:end], labels)
        for sentences, (start, end) in zip(split, pairwise(ends), strict=True)
    ]


def scored_document(document: Document) -> ScoredRow:
    """One row of columns for a text, and one for each of its sentences."""
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
