"""The charts of the training, over its steps, or over the epochs without a log of the steps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlx_finbert.report.charts import COLORS, DASHED
from mlx_finbert.report.contents import Report
from mlx_finbert.report.panels import Panel

if TYPE_CHECKING:
    # Importing matplotlib at runtime here would make every `--help` slow.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MARKED = 40
"""With more evaluations than this, a curve has no dots."""
MOST_POINTS = 300
"""A curve over more steps is drawn through this many of them, to keep the page small."""
STEPS_PER_HALF_WINDOW = 100
"""One step in this many is averaged on either side of a step."""


def points(rows: Sequence[dict[str, Any]], axis: str, key: str | None) -> np.ndarray:
    """Positions on the axis and finite values of a key, float64 (N, 2)."""
    pairs = [(row.get(axis), row.get(key)) for row in rows] if key else []
    known = [pair for pair in pairs if all(isinstance(x, int | float) for x in pair)]
    found = np.reshape(np.array(known, np.float64), (-1, 2))
    return found[np.isfinite(found).all(axis=1)]


def training_points(report: Report, panel: Panel) -> tuple[np.ndarray, bool]:
    """Points of the training, and whether they are single steps, not means between evaluations."""
    steps = points(report.steps, "step", panel.step)
    if len(steps):
        return steps, True
    return points(report.history, report.axis, panel.training), False


def validation_points(report: Report, panel: Panel) -> np.ndarray:
    return points(report.history, report.axis, panel.validation)


def panels_of(report: Report) -> list[Panel]:
    """The panels for which the run has values."""
    return [
        panel
        for panel in report.panels
        if len(training_points(report, panel)[0]) or len(validation_points(report, panel))
    ]


def window_of(num_steps: int) -> int:
    """Number of steps in a running mean, which is odd; 1 with few steps."""
    return 2 * (num_steps // STEPS_PER_HALF_WINDOW) + 1


def smoothed(line: np.ndarray) -> np.ndarray:
    """Running means of a line (N, 2): step, mean, smallest and largest value, float64 (M, 4).

    The window is centred on its step, and shorter at both ends of the line. M is at most
    `MOST_POINTS`; the windows overlap, so that no step is left out.
    """
    half = window_of(len(line)) // 2
    rows = []
    for i in places(len(line)):
        values = line[max(0, i - half) : i + half + 1, 1]
        rows.append((line[i, 0], values.mean(), values.min(), values.max()))
    return np.array(rows)


def places(count: int) -> np.ndarray:
    """At most `MOST_POINTS` evenly spaced indices, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int)


def draw_curves(figure: "Figure", report: Report) -> None:
    """Draw all panels in one figure, with a legend."""
    panels = panels_of(report)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure.set_size_inches(3.4 * columns, 2.3 * rows + 0.4)
    axes_of = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(axes_of, panels, strict=False):
        axes.set_title(panel.title)
        draw_panel(axes, panel, report)
    for axes in axes_of[len(panels) :]:
        axes.remove()
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.lines}
    figure.legend(lines.values(), lines.keys(), ncols=3, loc="outside lower center", frameon=False)


def draw_panel(axes: "Axes", panel: Panel, report: Report) -> None:
    """Draw training in grey, validation in colour, and a dashed line at the best evaluation."""
    if report.best_position is not None:
        axes.axvline(report.best_position, color=COLORS["muted"], label="weights kept", **DASHED)
    training, by_step = training_points(report, panel)
    if by_step:
        draw_steps(axes, training, panel.smooth)
    else:
        draw_evaluations(axes, training, "before", "training")
    validation = validation_points(report, panel)
    draw_evaluations(axes, validation, "accent", "validation")
    set_ticks(axes, report, {*training[:, 0], *validation[:, 0]})


def draw_steps(axes: "Axes", line: np.ndarray, smooth: bool) -> None:
    """Draw a line over the steps; a smoothed one has a pale band over the values of its windows."""
    if not smooth:
        axes.plot(*line[places(len(line))].T, color=COLORS["before"], label="training")
        return
    steps, means, smallest, largest = smoothed(line).T
    if window_of(len(line)) > 1:
        axes.fill_between(steps, smallest, largest, color=COLORS["before"], alpha=0.3, linewidth=0)
    axes.plot(steps, means, color=COLORS["before"], label="training")


def draw_evaluations(axes: "Axes", line: np.ndarray, color: str, name: str) -> None:
    """Draw a line with a dot for each evaluation, unless there are many."""
    if len(line):
        dots = "o" if len(line) <= MOST_MARKED else ""
        axes.plot(*line.T, marker=dots, color=COLORS[color], label=name)


def set_ticks(axes: "Axes", report: Report, positions: set[float]) -> None:
    """Set the grid and both scales; all panels over the steps have the same."""
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="y")
    axes.set_xlabel(report.axis)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=max(positions) >= 2))
    if report.steps:
        axes.set_xlim(0, 1.02 * report.last_step)
    elif len(positions) == 1:
        axes.set_xticks(list(positions))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(axis="y", scilimits=(-3, 4))
