"""The work of `python -m mlx_finbert.predict`."""

from collections.abc import Iterator
from pathlib import Path

from mlx_finbert.predict.files import score_file
from mlx_finbert.predict.job import FileReport
from mlx_finbert.predict.lines import document_lines, text_lines
from mlx_finbert.predict.predictor import Predictor
from mlx_finbert.predict.sentiment import has_sides, scale_positions
from mlx_finbert.predict.settings import PredictSettings
from mlx_finbert.ranks import ranks


def run(settings: PredictSettings) -> Iterator[str]:
    """Score as the settings say; yields the lines to print, on rank 0 alone."""
    model, tokenizer = settings.load_model()
    predictor = Predictor(
        model,
        tokenizer,
        settings.batch_size,
        settings.max_length,
        settings.long_texts,
        settings.window_overlap,
    )
    if settings.input:
        report = score(predictor, settings)
        if report:
            yield from report_lines(report, settings.output)
            yield from long_lines(report.num_long, predictor, settings.by_sentence)
            yield from scale_lines(model.args.labels)
    elif ranks().rank() == 0:
        lines = document_lines if settings.by_sentence else text_lines
        yield from lines(predictor, settings.texts)
        yield from long_lines(predictor.num_long, predictor, settings.by_sentence)
        yield from scale_lines(model.args.labels) if settings.by_sentence else ()


def score(predictor: Predictor, settings: PredictSettings) -> FileReport | None:
    """Score a file as the settings say."""
    return score_file(
        predictor,
        Path(settings.input).expanduser(),
        Path(settings.output).expanduser(),
        settings.text_column,
        settings.read_options(),
        settings.by_sentence,
        Path(settings.sentences).expanduser() if settings.sentences else None,
        settings.overwrite_parts,
    )


def report_lines(report: FileReport, output: str) -> Iterator[str]:
    """What reading found and what was written."""
    yield from report.notes
    if report.parts_found:
        yield f"{report.parts_found:,} of {report.parts:,} parts had been scored by an earlier run"
    if report.parts_damaged:
        yield (
            f"{report.parts_damaged:,} of {report.parts:,} parts of an earlier run were damaged and"
            " were scored again"
        )
    yield f"{output}: {report.rows:,} rows scored"
    if report.empty:
        yield f"{report.empty:,} rows have no text: their prediction is left empty"


def long_lines(num_long: int, predictor: Predictor, by_sentence: bool) -> Iterator[str]:
    """How many texts are longer than the model's most, and what became of them."""
    if num_long:
        what = "sentences" if by_sentence else "texts"
        done = "cut" if predictor.long_texts == "cut" else "read in windows"
        yield f"{num_long:,} {what} are over {predictor.max_length} tokens and were {done}"


def scale_lines(labels: list[str]) -> Iterator[str]:
    """That there is no score where one might expect it."""
    if has_sides(labels) and scale_positions(tuple(labels)) is None:
        yield (
            f"no score: the labels {', '.join(labels)} are no known scale from negative to positive"
        )
