"""Implementation of `python -m mlx_finbert.predict`."""

import logging
from collections.abc import Iterable, Iterator

import numpy as np

from mlx_finbert.distributed import ranks
from mlx_finbert.files.paths import local_path
from mlx_finbert.inference.config import PredictSettings
from mlx_finbert.inference.documents import Document, read_documents
from mlx_finbert.inference.json_lines import json_lines
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.score_file import FileReport, score_file
from mlx_finbert.inference.scored_rows import has_sides, scale_positions
from mlx_finbert.inference.standard_input import arriving_lines, standard_input

log = logging.getLogger(__name__)

BATCHES = 8
"""The most batches of texts that are scored before their lines are printed."""


def run(settings: PredictSettings) -> Iterator[str]:
    """Score as the settings say; yield the lines to print, on rank 0 only."""
    model, tokenizer = settings.load_model()
    predictor = Predictor(
        model,
        tokenizer,
        settings.batch_size,
        settings.max_length,
        settings.long_texts,
        settings.window_overlap,
    )
    if settings.input and settings.output:
        report = score(predictor, settings.input, settings.output, settings)
        if report:
            for note in report.notes:
                log.info(note)
            yield from report_lines(report, settings.output)
            yield from long_lines(report.num_long, predictor, settings.by_sentence)
            yield from scale_lines(model.args.labels)
    elif ranks().rank() == 0:
        yield from scored_lines(predictor, batches_of(settings), settings)
        notes = [*long_lines(predictor.num_long, predictor, settings.by_sentence)]
        if settings.by_sentence or settings.json:
            notes += scale_lines(model.args.labels)
        if not settings.prints_results_alone:
            yield from notes
            return
        for note in notes:
            log.info(note)


def batches_of(settings: PredictSettings) -> Iterator[list[str]]:
    """The texts of the settings, or those of standard input as they arrive."""
    most = BATCHES * settings.batch_size
    if settings.reads_standard_input:
        return arriving_lines(standard_input(), most, settings.encoding or "utf-8")
    texts = settings.texts
    return (texts[start : start + most] for start in range(0, len(texts), most))


def scored_lines(
    predictor: Predictor, batches: Iterable[list[str]], settings: PredictSettings
) -> Iterator[str]:
    """The lines for each batch of texts, once it is scored."""
    number = 1
    for texts in batches:
        if settings.json:
            yield from json_lines(predictor, texts, settings.by_sentence)
        elif settings.by_sentence:
            yield from document_lines(predictor, texts, number)
        else:
            yield from text_lines(predictor, texts)
        number += len(texts)
    if number == 1:
        log.info("standard input holds no texts")


def score(
    predictor: Predictor, file: str, output: str, settings: PredictSettings
) -> FileReport | None:
    """Score a file as the settings say."""
    return score_file(
        predictor,
        local_path(file),
        local_path(output),
        settings.text_column,
        settings.read_options(),
        settings.by_sentence,
        local_path(settings.sentences) if settings.sentences else None,
        settings.overwrite_parts,
        raw_cells=settings.raw_cells,
    )


def report_lines(report: FileReport, output: str) -> Iterator[str]:
    """Lines about the parts of earlier runs and the output."""
    if report.parts_found:
        yield f"{report.parts_found:,} of {report.parts:,} parts were scored by an earlier run"
    if report.parts_damaged:
        yield (
            f"{report.parts_damaged:,} of {report.parts:,} parts of an earlier run were damaged and"
            " were scored again"
        )
    yield f"{output}: {report.rows:,} rows scored"
    if report.empty:
        yield f"{report.empty:,} rows have no text; their prediction is left empty"


def long_lines(num_long: int, predictor: Predictor, by_sentence: bool) -> Iterator[str]:
    """A line with the number of texts that are too long, and how they were handled."""
    if num_long:
        what = "sentences" if by_sentence else "texts"
        done = "cut" if predictor.long_texts == "cut" else "read in windows"
        yield f"{num_long:,} {what} are over {predictor.max_length} tokens and were {done}"


def scale_lines(labels: list[str]) -> Iterator[str]:
    """A line that explains a missing score, if one might expect it."""
    if has_sides(labels) and scale_positions(tuple(labels)) is None:
        yield (
            f"no score: the labels {', '.join(labels)} are not a known scale from negative to"
            " positive"
        )


def text_lines(predictor: Predictor, texts: list[str]) -> Iterator[str]:
    """A line for each text with its label and all probabilities, or `no text` if blank."""
    for text, row in zip(texts, predictor(texts), strict=True):
        yield line(row, predictor.model.args.labels, text) if text.strip() else "no text"


def line(probabilities: np.ndarray, labels: list[str], text: str) -> str:
    """Format a line: `positive  negative 0.012  neutral 0.033  positive 0.955  Sales rose.`"""
    width = max(len(label) for label in labels)
    shares = "  ".join(f"{label} {p:.3f}" for label, p in zip(labels, probabilities, strict=True))
    return f"{labels[probabilities.argmax()]:<{width}}  {shares}  {text}"


def document_lines(predictor: Predictor, texts: list[str], first: int) -> Iterator[str]:
    """A block of lines for each text, numbered from `first`: its sentences and their summary."""
    for number, document in enumerate(read_documents(predictor, texts), first):
        counts = ", ".join(f"{label} {count}" for label, count in document.counts.items())
        yield f"text {number}, sentences: {len(document.sentences)} ({counts})"
        for sentence, row in zip(document.sentences, document.probabilities, strict=True):
            yield "  " + line(row, document.labels, sentence)
        yield from summary(document)


def summary(document: Document) -> Iterator[str]:
    """Lines with a document's score and its extremes, if its labels are a known scale."""
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
