"""Scoring a table: its columns, and the prediction beside them, in constant memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mlx_finbert.data.tables import READERS, Row, read_rows, require_column
from mlx_finbert.data.writers import WRITERS, open_writer
from mlx_finbert.errors import InputError
from mlx_finbert.labels import canonical
from mlx_finbert.predict.predictor import Predictor

CHUNK = 4096
"""Rows in memory at a time."""


@dataclass
class FileReport:
    """What was written."""

    rows: int
    empty: int
    """Rows without a text, whose prediction is left empty."""


def score_file(
    predictor: Predictor,
    source: Path,
    target: Path,
    text_column: str = "text",
    encoding: str = "utf-8",
) -> FileReport:
    """Write a table's rows with `predicted_label`, a `probability_*` a label, and `score`.

    `score` is P(positive) - P(negative), for models that have these labels. Every row is read and
    checked once before the first is scored; the target appears whole, at the end.

    Args:
        predictor: holds the model.
        source: `.csv`, `.tsv`, `.jsonl`, `.parquet` or `.txt`.
        target: `.csv`, `.tsv`, `.jsonl` or `.parquet`.
        text_column: of the source.
        encoding: of a source in a text format.

    Raises:
        InputError: names the file, the row and the column.
    """
    if target.suffix.lower() not in WRITERS:
        raise InputError(f"--output {target}: the ending is not one of {', '.join(WRITERS)}")
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f"--output {target} is the --input file: name another")
    labels = predictor.model.args.labels
    total = checked_rows(source, text_column, encoding, columns_for(labels))
    report = FileReport(0, 0)
    rows = read_rows(source, encoding)
    with open_writer(target, source) as write, tqdm(total=total, unit="row", disable=None) as bar:
        while chunk := list(islice(rows, CHUNK)):
            texts = [row[text_column] or "" for row in chunk]
            scored = list(predictions(predictor(texts), labels, texts))
            write([row | prediction for row, prediction in zip(chunk, scored, strict=True)])
            report.rows += len(chunk)
            report.empty += sum(not text.strip() for text in texts)
            bar.update(len(chunk))
    return report


def columns_for(labels: list[str]) -> list[str]:
    """The columns that scoring adds."""
    names = {canonical(label) for label in labels}
    score = ["score"] if {"positive", "negative"} <= names else []
    return ["predicted_label", *(f"probability_{label}" for label in labels), *score]


def predictions(probabilities: np.ndarray, labels: list[str], texts: list[str]) -> Iterator[Row]:
    """One dictionary of new columns for each text; all None where there is no text."""
    columns = columns_for(labels)
    sentiment = {canonical(label): i for i, label in enumerate(labels)}
    for row, text in zip(probabilities, texts, strict=True):
        if not text.strip():
            yield dict.fromkeys(columns)
            continue
        values = [labels[row.argmax()], *(round(float(p), 6) for p in row)]
        if "score" in columns:
            score = row[sentiment["positive"]] - row[sentiment["negative"]]
            values.append(round(float(score), 6))
        yield dict(zip(columns, values, strict=True))


def checked_rows(source: Path, text_column: str, encoding: str, new_columns: list[str]) -> int:
    """Read all rows once; returns their number."""
    if source.suffix.lower() not in READERS:
        raise InputError(f"--input {source}: the ending is not one of {', '.join(READERS)}")
    number = 0
    for number, row in enumerate(read_rows(source, encoding), 1):
        require_column(row, text_column, f"{source}, row {number}", "--text-column")
        text = row[text_column]
        if text is not None and not isinstance(text, str):
            raise InputError(f"{source}, row {number}, column {text_column!r}: {text!r} is no text")
        if taken := [column for column in new_columns if column in row]:
            raise InputError(
                f"{source}, row {number} has a column {taken[0]!r} already, which scoring would"
                " overwrite: rename it"
            )
    if not number:
        raise InputError(f"--input {source} has no rows")
    return number
