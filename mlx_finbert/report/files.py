"""The files of a report, each written atomically."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mlx_finbert.evaluation.metrics import plain
from mlx_finbert.files.atomic import write_bytes
from mlx_finbert.report.charts import confusion_size, draw_confusion
from mlx_finbert.report.contents import Report, Results
from mlx_finbert.report.curves import draw_curves, panels_of
from mlx_finbert.report.page import page
from mlx_finbert.report.pictures import png

FILES = ("report.html", "curves.png", "confusion.png", "mistakes.csv", "reliability.csv")
"""All files that `write_report` writes; the last four only if there is data for them."""

MISTAKE_COLUMNS = (
    "row",
    "true_label",
    "predicted_label",
    "probability",
    "true_probability",
    "text",
)
"""Columns of `mistakes.csv`, without those of the data."""


def write_report(folder: Path, report: Report) -> None:
    """Write `report.html`, the pictures and the tables; the same report gives the same bytes.

    `mistakes.csv` holds every mistake with its row's other columns, most confident first.
    `reliability.csv` holds the reliability table before and after temperature scaling.
    """
    write_bytes(folder / "report.html", encoded(page(report)))
    if panels_of(report):
        write_bytes(folder / "curves.png", curves_picture(report))
    if results := report.results:
        write_bytes(folder / "confusion.png", confusion_picture(report, results))
        write_bytes(folder / "mistakes.csv", mistakes_table(report, results))
        write_bytes(folder / "reliability.csv", reliability_table(results))


def curves_picture(report: Report) -> bytes:
    """Draw all charts of the training as PNG."""
    return png(lambda figure: draw_curves(figure, report))


def confusion_picture(report: Report, results: Results) -> bytes:
    """Draw the confusion matrix as PNG."""
    names, confusion = report.label_names, results.metrics.confusion
    size = confusion_size(len(names))
    return png(lambda figure: draw_confusion(figure.subplots(), confusion, names), size)


def metrics_of(report: Report) -> dict[str, Any]:
    """The content of `metrics.json`; values are after temperature scaling unless named otherwise.

    None stands for an undefined value.

    Raises:
        ValueError: for a report without predictions.
    """
    if not (results := report.results):
        raise ValueError("the report has no predictions")
    uncalibrated = {"loss": results.raw_metrics.loss, "brier": results.raw_metrics.brier}
    predictions = results.predictions
    return {
        "split": predictions.split,
        "rows": len(predictions.texts),
        "rows_in_all": predictions.rows_in_all,
        "interrupted": predictions.interrupted,
        "truncated": predictions.truncated,
        "notes": report.notes + results.metrics.remarks(report.label_names),
        "calibration_temperature": report.temperature,
        "ece": results.calibrated.error,
        **results.metrics.to_dict(report.label_names),
        "intervals_95": {name: plain(bounds) for name, bounds in results.intervals.items()},
        "uncalibrated": {"ece": results.raw.error, **uncalibrated},
        **({"distillation": report.distillation.to_dict()} if report.distillation else {}),
    }


def mistakes_table(report: Report, results: Results) -> bytes:
    """One line per mistake: its row in the file, the row's other columns, and both labels.

    A column of the data with the same name as one of ours is renamed to `data_NAME`.
    """
    names = report.label_names
    others = list(dict.fromkeys(name for m in results.mistakes for name in m.others))
    rows = (
        {"row": m.row}
        | {new: m.others.get(name) for new, name in zip(renamed(others), others, strict=True)}
        | {"true_label": names[m.true], "predicted_label": names[m.predicted]}
        | {"probability": m.probability, "true_probability": m.true_probability, "text": m.text}
        for m in results.mistakes
    )
    first, *ours = MISTAKE_COLUMNS
    return table((first, *renamed(others), *ours), ([*row.values()] for row in rows))


def renamed(names: Sequence[str]) -> list[str]:
    """Column names of the data, with `data_` before those that `mistakes.csv` already uses."""
    found = []
    for name in names:
        new = name
        while new in MISTAKE_COLUMNS or (new != name and new in names):
            new = f"data_{new}"
        found.append(new)
    return found


def reliability_table(results: Results) -> bytes:
    """One line per bin, before and after scaling; empty bins have empty values."""
    lines = []
    for name, found in (("before", results.raw), ("after", results.calibrated)):
        for i, rows in enumerate(found.rows.tolist()):
            figures = (found.confidence[i], found.accuracy[i]) if rows else ("", "")
            lines.append((name, found.edges[i], found.edges[i + 1], rows, *figures))
    return table(("scaling", "above", "up_to", "rows", "confidence", "accuracy"), lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return encoded(text.getvalue())


def encoded(text: str) -> bytes:
    """Encode as UTF-8; unpaired surrogates, which paths may contain, become `\\udc80`."""
    return text.encode("utf-8", "backslashreplace")
