"""The sections of the page with the results of the predictions."""

import numpy as np

from mlx_finbert.evaluation.calibration import BINS
from mlx_finbert.evaluation.metrics import dash, largest_confusions
from mlx_finbert.evaluation.text import shortened
from mlx_finbert.report.charts import (
    MOST_NUMBERED,
    confusion_size,
    draw_confusion,
    draw_reliability,
)
from mlx_finbert.report.contents import Mistake, Report, Results
from mlx_finbert.report.markup import figure, isolated, key, section, table, text
from mlx_finbert.report.pictures import svg

RELIABILITY_SIZE = (3.8, 3.7)
MOST_BESIDE = 6
"""With more labels than this, the confusion matrix takes the full width of the page."""
MOST_MISTAKES = 10
LONGEST_TEXT = 800
"""Longer texts are cut on the page; `mistakes.csv` has the full text."""
LONGEST_VALUE = 60
"""The same limit for other columns of a row."""
TILES = {
    "accuracy": ("Accuracy", "share of rows with the right label"),
    "macro_f1": ("Macro-F1", "mean F1, all labels alike"),
    "mcc": ("MCC", "1 is perfect, 0 is chance"),
    "loss": ("Loss", "cross-entropy, lower is better"),
    "brier": ("Brier score", "squared error of probabilities, lower is better"),
}
"""Title and explanation of the main metrics."""
ECE = "Calibration error", "gap between probability and share of correct rows"


def result_sections(report: Report) -> list[str]:
    """All sections, with the main metrics first; empty if no rows were measured."""
    if not (results := report.results):
        return []
    pictures = [confusion(report, results), calibration(report, results)]
    if len(report.label_names) <= MOST_BESIDE:
        pictures = [f"<div class=pair>{''.join(pictures)}</div>"]
    return [
        headline(report, results),
        by_label(report, results),
        *pictures,
        mistakes(report, results),
    ]


def headline(report: Report, results: Results) -> str:
    """A tile for each main metric, with its interval."""
    tiles = []
    for name, about in TILES.items():
        low, high = results.intervals[name]
        tiles.append(tile(*about, getattr(results.metrics, name), f"{low:.4f} to {high:.4f}"))
    before = f"before: {results.raw.error:.4f}" if scaled(report) else f"{BINS} bins"
    tiles.append(tile(*ECE, results.calibrated.error, before))
    counts = results.metrics.confusion.sum(axis=1)
    usual, share = report.label_names[counts.argmax()], counts.max() / counts.sum()
    predictions = results.predictions
    note = (
        f"{counts.sum():,} {predictions.split} rows, with 95% bootstrap intervals. Always"
        f" predicting {usual} would be right in {share:.1%} of the rows."
    )
    if predictions.interrupted:
        note = (
            f"Ctrl-C: {counts.sum():,} of {predictions.rows_in_all:,} {predictions.split} rows were"
            f" measured, a random sample. {note}"
        )
    if predictions.truncated:
        note += f" {predictions.truncated:,} of the rows were too long and were cut."
    for remark in results.metrics.remarks(report.label_names):
        note += f" {remark[0].upper()}{remark[1:]}."
    if scaled(report):
        note += " Loss, Brier score and calibration error are measured after temperature scaling."
    if predictions.split == "validation":
        note += " The run made choices on these rows (such as the epoch), which flatters the model."
    return section("Results", note, f"<div class=tiles>{''.join(tiles)}</div>")


def tile(title: str, explanation: str, value: float, beneath: str) -> str:
    """A metric with its interval, and a line that explains it."""
    lines = f"<span>{beneath}</span><small>{explanation}</small>"
    return f"<div><span>{title}</span><b>{value:.4f}</b>{lines}</div>"


def scaled(report: Report) -> bool:
    return report.temperature != 1


def by_label(report: Report, results: Results) -> str:
    """Precision, recall and F1 with intervals, and the number of rows and predictions per label."""
    confusion = results.metrics.confusion
    rows = []
    for i, name in enumerate(report.label_names):
        cells = []
        for figure_name in ("precision", "recall", "f1"):
            low, high = results.intervals[figure_name][:, i]
            value = getattr(results.metrics, figure_name)[i]
            bounds = "" if np.isnan(value) else f" <small>{low:.3f}–{high:.3f}</small>"
            cells.append(dash(value, ".3f") + bounds)
        rows.append(
            (isolated(name), *cells, f"{confusion[i].sum():,}", f"{confusion[:, i].sum():,}")
        )
    head = ("label", "precision", "recall", "F1", "rows", "predicted")
    note = (
        "Precision is the share of correct rows among those predicted as the label, recall among"
        " those that have it; F1 is the harmonic mean of both."
    )
    return section("By label", note, table(head, rows, "numbers"))


def confusion(report: Report, results: Results) -> str:
    """The confusion matrix; with too many labels for names, also the most common confusions."""
    counts, names = results.metrics.confusion, report.label_names
    picture = svg(
        lambda f: draw_confusion(f.subplots(), counts, names),
        confusion_size(len(names)),
        "confusion",
        "Confusion matrix",
    )
    note = "Rows by true and predicted label, shaded by their share of the true label's rows."
    more = commonest(counts, names) if len(names) > MOST_NUMBERED else ""
    return section("Confusion matrix", note, figure(picture), more)


def commonest(counts: np.ndarray, names: list[str]) -> str:
    """A table of the most common confusions."""
    rows = [
        (isolated(names[true]), isolated(names[predicted]), f"{count:,}")
        for true, predicted, count in largest_confusions(counts)
    ]
    return table(("true", "predicted", "rows"), rows) if rows else ""


def calibration(report: Report, results: Results) -> str:
    """The reliability diagram before and after temperature scaling."""
    before, after = results.raw, results.calibrated if scaled(report) else None
    picture = svg(
        lambda f: draw_reliability(f.subplots(), before, after),
        RELIABILITY_SIZE,
        "reliability",
        "Reliability diagram",
    )
    note = (
        "On the dashed line, the probability equals the share of correct rows. Each dot is one of"
        f" {BINS} bins; its area shows the number of rows. Small dots are mostly noise. "
    )
    if after is None:
        unscaled = "No temperature scaling: expected" if report.history else "Expected"
        note += f"{unscaled} calibration error {before.error:.4f}."
        return section("Calibration", note, figure(picture))
    note += f"The temperature, fitted on validation rows, is {report.temperature:.3f}."
    legend = {
        "before": f"before scaling, ECE {before.error:.4f}",
        "accent": f"after, ECE {after.error:.4f}",
    }
    return section("Calibration", note, key(legend), figure(picture))


def mistakes(report: Report, results: Results) -> str:
    """The most confident mistakes with their texts."""
    found, total = results.mistakes, len(results.predictions.texts)
    shown = found[:MOST_MISTAKES]
    if not shown:
        return section("Mistakes", f"None: all {total:,} rows are correct.")
    items = "".join(f"<li>{mistake(m, report.label_names)}</li>" for m in shown)
    note = f"{len(found):,} of {total:,} rows are wrong; mistakes.csv lists all of them."
    return section("Most confident mistakes", note, f"<ol>{items}</ol>")


def mistake(found: Mistake, names: list[str]) -> str:
    """A mistake: both labels with their probabilities, then the text."""
    content = found.text
    if len(content) > LONGEST_TEXT:
        cut = content[:LONGEST_TEXT].rstrip()
        content = f"{cut}… ({len(found.text):,} characters; full text in mistakes.csv)"
    others = "".join(
        f", {isolated(shortened(f'{name}: {value}', LONGEST_VALUE))}"
        for name, value in found.others.items()
        if value not in (None, "")
    )
    return (
        f"<span class=wrong>{isolated(names[found.predicted])} {found.probability:.3f}</span>"
        f" <small>true: {isolated(names[found.true])} {found.true_probability:.3f},"
        f" row {found.row}{others}</small><p dir=auto>{text(content)}</p>"
    )
