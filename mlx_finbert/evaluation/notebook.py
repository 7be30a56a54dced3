"""Formats results as HTML for a notebook."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from mlx_finbert.evaluation.metrics import Metrics, dash
from mlx_finbert.evaluation.text import short_names


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts, which are escaped; the first cell of a row is its heading."""
    lines = [
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    ]
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def figures_html(
    model: str,
    heading: str,
    metrics: Metrics,
    intervals: dict[str, np.ndarray],
    names: Sequence[str],
) -> str:
    """Return a table of the named figures, each with its interval."""
    rows = []
    for name in names:
        low, high = intervals[name]
        rows.append((name, f"{getattr(metrics, name):.4f}", f"{low:.4f} to {high:.4f}"))
    return html_table(f"{model} on {heading}", ("", "value", "95% interval"), rows)


def labels_html(metrics: Metrics, intervals: dict[str, np.ndarray], label_names: list[str]) -> str:
    """Return a table of precision, recall and F1 of each label, with intervals."""
    figures = ("precision", "recall", "f1")
    rows = []
    for i, name in enumerate(short_names(label_names)):
        cells = []
        for figure in figures:
            low, high = (dash(bound, ".3f") for bound in intervals[figure][:, i])
            cells.append(f"{dash(getattr(metrics, figure)[i], '.3f')} ({low} to {high})")
        rows.append((name, *cells, f"{metrics.confusion[i].sum():,}"))
    return html_table("by label", ("label", *figures, "rows"), rows)
