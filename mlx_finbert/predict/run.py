"""The work of `python -m mlx_finbert.predict`."""

from collections.abc import Iterator
from pathlib import Path

from mlx_finbert.predict.files import score_file
from mlx_finbert.predict.predictor import Predictor
from mlx_finbert.predict.settings import PredictSettings


def run(settings: PredictSettings) -> Iterator[str]:
    """Score as the settings say; yields the lines to print."""
    model, tokenizer = settings.load_model()
    predictor = Predictor(model, tokenizer, settings.batch_size, settings.max_length)
    if settings.input:
        report = score_file(
            predictor,
            Path(settings.input).expanduser(),
            Path(settings.output).expanduser(),
            settings.text_column,
            settings.encoding,
        )
        yield f"{settings.output}: {report.rows:,} rows scored"
        if report.empty:
            yield f"{report.empty:,} rows have no text: their prediction is left empty"
    else:
        yield from score_lines(predictor, settings.texts)
    if predictor.truncated:
        yield f"{predictor.truncated:,} texts are over {predictor.max_length} tokens and were cut"


def score_lines(predictor: Predictor, texts: list[str]) -> Iterator[str]:
    """For each text, its label and all probabilities."""
    labels = predictor.model.args.labels
    width = max(len(label) for label in labels)
    for text, row in zip(texts, predictor(texts), strict=True):
        shares = "  ".join(f"{label} {p:.3f}" for label, p in zip(labels, row, strict=True))
        yield f"{labels[row.argmax()]:<{width}}  {shares}  {text}"
